"""The model repository extension over REST: index, load, unload."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping

from starlette.requests import Request
from starlette.responses import Response

from server.errors import InvalidArgument, Unsupported
from server.frontends.limits import FrontendLimits
from server.frontends.open_inference.json_fields import parameters
from server.frontends.open_inference.parameters import boolean
from server.frontends.open_inference.rest_io import json_answer, json_body, model_of
from server.frontends.open_inference.states import protocol_state
from server.inference import ParameterValue
from server.planes import ControlPlane, IndexEntry

_FILE = "file:"


class RepositoryEndpoints:
    """What clients may see and ask of the repository, through `control`."""

    def __init__(self, control: ControlPlane, limits: FrontendLimits) -> None:
        self._control = control
        self._max_bytes = limits.max_message_bytes

    async def index(self, request: Request) -> Response:
        """Every model version with its state; only the ready ones where the body asks for that."""
        asked = await json_body(request, self._max_bytes)
        ready = asked.get("ready", False)
        if not isinstance(ready, bool):
            raise InvalidArgument("'ready' must be true or false")
        return json_answer([_entry(one) for one in await self._control.index(ready)])

    async def load(self, request: Request) -> Response:
        """Load or reload a model; 200 without a body once it serves."""
        model, _ = model_of(request)
        asked = await json_body(request, self._max_bytes)
        await self._control.load(model, _load_parameters(parameters(asked, "the request")))
        return Response()

    async def unload(self, request: Request) -> Response:
        """Unload a model; 200 without a body."""
        model, _ = model_of(request)
        asked = await json_body(request, self._max_bytes)
        given = parameters(asked, "the request")
        await self._control.unload(model, boolean(given, "unload_dependents"))
        return Response()

    async def named_repository(self, _request: Request) -> Response:
        """Refused: models are known by name alone, whichever repository they come from."""
        raise Unsupported("'repository_name' specification is not supported")


def _entry(entry: IndexEntry) -> dict[str, str]:
    line = {"name": entry.name}
    if entry.version:
        line["version"] = entry.version
    line["state"] = protocol_state(entry.state)
    if entry.reason:
        line["reason"] = entry.reason
    return line


def _load_parameters(
    given: Mapping[str, ParameterValue],
) -> dict[str, str | bool | int | bytes]:
    loaded: dict[str, str | bool | int | bytes] = {}
    for name, value in given.items():
        if name.startswith(_FILE):
            loaded[name] = _file(name, value)
        elif isinstance(value, float):
            raise InvalidArgument(f"parameter '{name}' must not be a fraction")
        else:
            loaded[name] = value
    return loaded


def _file(name: str, value: ParameterValue) -> bytes:
    try:
        return base64.b64decode(value if isinstance(value, str) else "!", validate=True)
    except (binascii.Error, ValueError):
        raise InvalidArgument(f"parameter '{name}' must be a file's content in base64") from None
