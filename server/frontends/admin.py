"""The operators' page: metrics, probes, overview, history, labels, rollback and profiles, on a port
apart from inference.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from urllib.parse import quote

import orjson
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from server.errors import InvalidArgument
from server.frontends.open_inference.rest_io import VERSION, json_body, model_of
from server.frontends.probe_routes import probe_routes
from server.frontends.rest_errors import add_error_handlers
from server.planes import AdminPlane, Probes

MAX_BODY = 64 * 1024
MAX_HISTORY = 2000
PROFILE_SECONDS = 30
OCTETS = "application/octet-stream"


def create_admin_app(
    admin: AdminPlane, probes: Probes, more: Sequence[BaseRoute] = ()
) -> Starlette:
    """An ASGI application with `/metrics`, probes, `/v2/admin/...`, `/v2/models/.../profile`, and
    `more`.
    """
    pages = _Pages(admin)
    app = Starlette(
        routes=[
            Route("/v2/admin/overview", pages.overview),
            Route("/v2/admin/history", pages.history),
            Route("/v2/admin/models/{model}/history", pages.history),
            Route("/v2/admin/models/{model}/labels", pages.labels),
            Route("/v2/admin/models/{model}/labels", pages.label, methods=["POST"]),
            Route("/v2/admin/models/{model}/rollback", pages.roll_back, methods=["POST"]),
            Route("/v2/models/{model}/profile", pages.profile, methods=["POST"]),
            Route(
                f"/v2/models/{{model}}/versions/{{version:{VERSION}}}/profile",
                pages.profile,
                methods=["POST"],
            ),
            Route("/metrics", pages.metrics),
            *probe_routes(probes),
            *more,
        ]
    )
    add_error_handlers(app)
    return app


class _Pages:
    def __init__(self, admin: AdminPlane) -> None:
        self._admin = admin

    async def metrics(self, request: Request) -> Response:
        """Everything counted, as Prometheus or OpenMetrics text."""
        text, content_type = await self._admin.metrics(request.headers.get("accept", ""))
        return Response(text, headers={"Content-Type": content_type})

    async def overview(self, _request: Request) -> Response:
        """Everything a console shows of all models, cheap enough to be asked each second."""
        return _json(await self._admin.overview())

    async def history(self, request: Request) -> Response:
        """What happened to every version, oldest first; `?limit=` for the newest only."""
        limit = _number("limit", request.query_params.get("limit", str(MAX_HISTORY)))
        model = request.path_params.get("model", "")
        entries = self._admin.history(model, min(limit, MAX_HISTORY))
        return _json({"history": [asdict(entry) for entry in entries]})

    async def labels(self, request: Request) -> Response:
        """The model's labels and the versions they point to."""
        return _json({"labels": dict(self._admin.labels(request.path_params["model"]))})

    async def label(self, request: Request) -> Response:
        """Move labels: `{"labels": {"stable": 3, "old": null}}`; null removes one."""
        asked = (await json_body(request, MAX_BODY)).get("labels")
        if not isinstance(asked, dict) or not asked:
            raise InvalidArgument('expected {"labels": {NAME: VERSION}}, null to remove one')
        for label, version in asked.items():
            if version is not None and (type(version) is not int or version < 1):
                raise InvalidArgument(f"labels.{label[:64]}: expected a version number or null")
        model = request.path_params["model"]
        await self._admin.label(model, asked)
        return await self.labels(request)

    async def roll_back(self, request: Request) -> Response:
        """Turn to the version before the default one."""
        model = request.path_params["model"]
        return _json({"model": model, "version": await self._admin.roll_back(model)})

    async def profile(self, request: Request) -> Response:
        """The trace of the next batches, as a file: `?batches=` of them, within `?seconds=`."""
        query = request.query_params
        model, version = model_of(request)
        batches = _number("batches", query.get("batches", ""))
        seconds = _number("seconds", query.get("seconds", str(PROFILE_SECONDS)))
        trace = await self._admin.profile(model, version, batches, seconds)
        media_type = "application/json" if trace.name.endswith(".json") else OCTETS
        disposition = f"attachment; filename*=UTF-8''{quote(trace.name, safe='')}"
        return Response(
            trace.content, media_type=media_type, headers={"Content-Disposition": disposition}
        )


def _number(name: str, text: str) -> int:
    """A parameter of the query; InvalidArgument for what is no number."""
    if not (text.isascii() and text.isdigit() and len(text) <= 9):
        raise InvalidArgument(f"{name}: expected a whole number")
    return int(text)


def _json(document: object) -> Response:
    return Response(orjson.dumps(document), media_type="application/json")
