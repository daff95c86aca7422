"""The shared memory extensions over REST: there are no regions, and none can be registered."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from server.frontends.open_inference.rest_io import json_answer
from server.frontends.open_inference.shared_memory import refuse_region, refuse_registration


class SharedMemoryEndpoints:
    """Answers for regions of one `kind`, `system` or `cuda`."""

    def __init__(self, kind: str) -> None:
        self._kind = kind

    async def status(self, request: Request) -> Response:
        """No regions; NotFound where one is asked by name."""
        refuse_region(self._kind, request.path_params.get("region", ""))
        return json_answer([])

    async def register(self, _request: Request) -> Response:
        """Always Unsupported."""
        refuse_registration()

    async def unregister(self, _request: Request) -> Response:
        """Nothing to do: clients unregister before they register, to start clean."""
        return Response()
