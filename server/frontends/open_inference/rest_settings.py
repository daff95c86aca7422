"""The trace and log settings over REST: read by GET, changed by POST."""

from __future__ import annotations

from collections.abc import Mapping

from starlette.requests import Request
from starlette.responses import Response

from server.errors import InvalidArgument
from server.frontends.limits import FrontendLimits
from server.frontends.open_inference.rest_io import json_answer, json_body, model_of
from server.planes import ControlPlane, DataPlane
from server.telemetry.settings_words import Changes, Setting

_MOST_SETTINGS = 64


class SettingsEndpoints:
    """Answers with the settings as they are after what was asked."""

    def __init__(self, data: DataPlane, control: ControlPlane, limits: FrontendLimits) -> None:
        self._data = data
        self._control = control
        self._max_bytes = limits.max_message_bytes

    async def trace(self, request: Request) -> Response:
        """The server's trace settings."""
        return json_answer(await self._control.trace_settings("", await self._asked(request)))

    async def model_trace(self, request: Request) -> Response:
        """A model's trace settings; NotFound for an unknown model."""
        model, version = model_of(request)
        self._data.model_ready(model, version)
        return json_answer(await self._control.trace_settings(model, await self._asked(request)))

    async def log(self, request: Request) -> Response:
        """The log settings."""
        return json_answer(await self._control.log_settings(await self._asked(request)))

    async def _asked(self, request: Request) -> Changes:
        if request.method != "POST":
            return {}
        return _changes(await json_body(request, self._max_bytes))


def _changes(body: Mapping[str, object]) -> Changes:
    """The body with the types that settings have; others are refused."""
    if len(body) > _MOST_SETTINGS:
        raise InvalidArgument(f"{len(body)} settings: expected at most {_MOST_SETTINGS}")
    return {name: _setting(name, value) for name, value in body.items()}


def _setting(name: str, value: object) -> Setting | None:
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, list):
        texts = [item for item in value if isinstance(item, str)]
        if len(texts) == len(value):
            return texts
    raise InvalidArgument(
        f"setting '{name[:64]}': expected a text, a whole number, true, false, null or texts"
    )
