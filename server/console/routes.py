"""The console at `/console/`: its page, what it has to know of the server, and the models to try.

What the page shows it asks of the operators' own routes. What it tries it asks of a REST frontend
below `/console/v2`, so that it needs no other origin than its own (docs/decisions/0030).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

import orjson
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from server.access.access import open_to_all
from server.config import ModelControl
from server.console.files import PAGE, PageFile, page_files
from server.frontends.limits import FrontendLimits
from server.frontends.operator_guard import MARK
from server.frontends.rest import create_app
from server.frontends.rest_errors import error_response
from server.planes import ControlPlane, DataPlane

MAX_BYTES = 8 * 2**20
"""Of a request tried from the console, and of its answer: they share the gateway's event loop."""

POLICY = "; ".join(
    (
        "default-src 'none'", "script-src 'self'", "style-src 'self'", "connect-src 'self'",
        "img-src 'self'", "base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'",
        "require-trusted-types-for 'script'", "trusted-types 'none'",
    )
)  # fmt: skip
"""Nothing but the page's own files, nothing inline, in nobody's frame, and no text as HTML."""

HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": POLICY,
    "Cache-Control": "no-cache",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


@dataclass(frozen=True, slots=True)
class About:
    """What the page has to know of the server; `max_bytes` of a request tried.

    `server_timing` says whether answers tell where their time went.
    """

    release: str
    model_control: ModelControl
    server_timing: bool = True
    max_bytes: int = MAX_BYTES


def console_routes(data: DataPlane, control: ControlPlane, about: About) -> Sequence[BaseRoute]:
    """The routes below `/console`, for the operators' application."""
    limits = FrontendLimits(about.max_bytes, about.release, server_timing=about.server_timing)
    page = _Page(page_files(), about)
    return [
        Route("/console", page.enter),
        Route("/console/about", page.about),
        Mount("/console/v2", app=_Trying(create_app(data, control, limits, open_to_all()))),
        Route("/console/{path:path}", page.file),
    ]


class _Page:
    def __init__(self, files: Mapping[str, PageFile], about: About) -> None:
        self._files = files
        self._about = orjson.dumps(asdict(about))

    async def enter(self, _request: Request) -> Response:
        """To where the page's relative links lead to its files, whatever is in front of it."""
        return RedirectResponse("console/", headers=HEADERS)

    async def about(self, _request: Request) -> Response:
        """See About."""
        return Response(self._about, headers=HEADERS, media_type="application/json")

    async def file(self, request: Request) -> Response:
        """One file of the page, or that the browser's own copy is still right."""
        found = self._files.get(request.path_params["path"] or PAGE)
        if found is None:
            return error_response(404, "Not Found", HEADERS)
        headers = {**HEADERS, "ETag": found.tag}
        if request.headers.get("if-none-match") == found.tag:
            return Response(status_code=304, headers=headers)
        return Response(found.content, headers=headers, media_type=found.media_type)


class _Trying:
    """Hands requests on to a REST frontend; what changes or computes something needs a header that
    no page of another origin can send without asking, and none is ever allowed to.
    """

    def __init__(self, rest: ASGIApp) -> None:
        self._rest = rest

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve what is below `/console/v2` as if it were below `/v2`."""
        if scope["method"] not in ("GET", "HEAD") and MARK not in dict(scope["headers"]):
            text = f"expected the header {MARK.decode()}, which the console's page sends"
            await error_response(403, text)(scope, receive, send)
            return
        path = scope["path"].removeprefix("/console")
        inner = {**scope, "path": path, "raw_path": path.encode(), "root_path": ""}
        await self._rest(inner, receive, send)
