"""The inference routes as plain ASGI, answered before the web framework sees them, and small
requests even without ASGI.

The same routes are declared to the framework too, for the OpenAPI page, and lead to the same
endpoint by the longer way.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache, partial
from urllib.parse import unquote

import httptools
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from server.access.access import Access
from server.frontends import direct
from server.frontends.gate import authorization
from server.frontends.open_inference.rest_infer import InferEndpoint
from server.frontends.open_inference.rest_io import VERSION_PATTERN, model_of, version_in_path
from server.frontends.rest_rights import INFER
from server.frontends.whole_request import WholeAnswering

_PATH = re.compile(rf"/v2/models/([^/\n]+)(?:/versions/({VERSION_PATTERN}))?/infer")
_URLS, _MAX_URL = 512, 512
"""How many targets are remembered, and how long they may be."""


class InferDoor:
    """Takes what is for `endpoint`, and knows what is not."""

    def __init__(self, endpoint: InferEndpoint, access: Access) -> None:
        self._endpoint = endpoint
        self._access = access

    def target(self, scope: Scope) -> tuple[str, str] | None:
        """Model and version ("" for the default) that `scope` asks to infer; None if it does not.

        None leaves a request to the framework, which finds all else that a path may be.
        """
        if scope["type"] != "http" or scope["method"] != "POST" or scope.get("root_path"):
            return None
        return _target(scope["path"])

    def whole(self, url: bytes) -> WholeAnswering | None:
        """See whole_request.WholeDoor."""
        path, _, _ = url.partition(b"?")
        target = _target_of_url(path) if len(path) <= _MAX_URL else None
        return partial(self._endpoint.infer_whole, *target) if target is not None else None

    def admits(self, fields: Iterable[tuple[bytes, bytes]]) -> bool:
        """See whole_request.WholeDoor."""
        return self._access.rules is None or self._access.admits(INFER, authorization(fields))

    async def serve(
        self, target: tuple[str, str], scope: Scope, receive: Receive, send: Send
    ) -> None:
        """Answer the request of `scope`, for which `target` was found."""
        await direct.serve(partial(self._endpoint.infer, *target), scope, receive, send)

    async def by_the_framework(self, request: Request) -> Response:
        """The same as an endpoint of the framework."""
        return await direct.by_the_framework(
            partial(self._endpoint.infer, *model_of(request)), request
        )


def _target(path: str) -> tuple[str, str] | None:
    found = _PATH.fullmatch(path)
    if found is None:
        return None
    model, version = found.groups()
    return model, version_in_path(version) if version else ""


@lru_cache(_URLS)
def _target_of_url(url: bytes) -> tuple[str, str] | None:
    """The same of a request's target, read as the server reads it for the framework."""
    try:
        path = httptools.parse_url(url).path
    except httptools.HttpParserInvalidURLError:
        return None
    return _target(unquote(path.decode())) if path and path.isascii() else None
