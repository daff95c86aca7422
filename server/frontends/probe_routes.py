"""Probes on the operators' port: its own socket and the gateway's own loop, so that they are
answered while clients fill the ports of inference.
"""

from __future__ import annotations

from http import HTTPStatus

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from server.frontends.open_inference.rest_io import VERSION, model_of
from server.planes import Probes

_MODEL = "/v2/models/{model}"


def probe_routes(probes: Probes) -> list[Route]:
    """Live and ready of the server, and ready of a model; as on the REST port."""
    pages = _Pages(probes)
    return [
        Route("/v2/health/live", pages.live),
        Route("/v2/health/ready", pages.ready),
        Route(f"{_MODEL}/ready", pages.model_ready),
        Route(f"{_MODEL}/versions/{{version:{VERSION}}}/ready", pages.model_ready),
    ]


class _Pages:
    def __init__(self, probes: Probes) -> None:
        self._probes = probes

    async def live(self, _request: Request) -> Response:
        return _status(self._probes.live())

    async def ready(self, _request: Request) -> Response:
        return _status(self._probes.ready())

    async def model_ready(self, request: Request) -> Response:
        return _status(self._probes.model_ready(*model_of(request)))


def _status(yes: bool) -> Response:
    return Response(status_code=HTTPStatus.OK if yes else HTTPStatus.SERVICE_UNAVAILABLE)
