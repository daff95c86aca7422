"""The trace and log settings over REST: readable, and fixed."""

from __future__ import annotations

from collections.abc import Mapping

from starlette.requests import Request
from starlette.responses import Response

from server.frontends.limits import FrontendLimits
from server.frontends.open_inference.fixed_settings import (
    LOG_SETTINGS,
    TRACE_SETTINGS,
    Setting,
    refuse_changes,
)
from server.frontends.open_inference.rest_io import json_answer, json_body, model_of
from server.planes import DataPlane


class SettingsEndpoints:
    """Answers with the settings; an update that would change one is refused."""

    def __init__(self, data: DataPlane, limits: FrontendLimits) -> None:
        self._data = data
        self._max_bytes = limits.max_message_bytes

    async def trace(self, request: Request) -> Response:
        """The server's trace settings, read or "updated"."""
        return await self._answer(request, "trace", TRACE_SETTINGS)

    async def model_trace(self, request: Request) -> Response:
        """A model's trace settings, which are the server's; NotFound for an unknown model."""
        self._data.model_ready(*model_of(request))
        return await self._answer(request, "trace", TRACE_SETTINGS)

    async def log(self, request: Request) -> Response:
        """The log settings, read or "updated"."""
        return await self._answer(request, "log", LOG_SETTINGS)

    async def _answer(
        self, request: Request, kind: str, settings: Mapping[str, Setting]
    ) -> Response:
        if request.method == "POST":
            refuse_changes(kind, settings, await json_body(request, self._max_bytes))
        return json_answer(settings)
