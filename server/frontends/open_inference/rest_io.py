"""Small pieces every REST endpoint shares: the model in the path, JSON in, JSON out."""

from __future__ import annotations

import orjson
from starlette.convertors import Convertor, register_url_convertor
from starlette.requests import Request
from starlette.responses import Response

from server.frontends.body import read_body
from server.frontends.open_inference.json_fields import JsonObject, json_object
from server.repository.names import LABEL_PATTERN

VERSION = "model_version"
VERSION_PATTERN = "[0-9]{1,18}|" + LABEL_PATTERN.strip("^$")


def version_in_path(value: str) -> str:
    """The version as the data plane writes it: a label, or a number without leading zeros."""
    return str(int(value)) if value.isdecimal() else value


class _VersionConvertor(Convertor[str]):
    """A version in a path: digits, few enough for 64 bits, or a label; all else is not routed."""

    regex = VERSION_PATTERN

    def convert(self, value: str) -> str:
        """See `version_in_path`."""
        return version_in_path(value)

    def to_string(self, value: str) -> str:
        """The version as it stands in a path."""
        return value


register_url_convertor(VERSION, _VersionConvertor())


def model_of(request: Request) -> tuple[str, str]:
    """Model and version of the request's path; the version is "" where the path has none."""
    path = request.path_params
    return path["model"], path.get("version", "")


async def json_body(request: Request, max_bytes: int) -> JsonObject:
    """The request's body as a JSON object, an empty one for no body."""
    body = await read_body(request, max_bytes)
    return json_object(body) if body else {}


def json_answer(document: object) -> Response:
    """200 with `document`, never compressed.

    Triton's asynchronous client says that it takes gzip, but unpacks answers to inference only.
    """
    return Response(orjson.dumps(document), media_type="application/json")
