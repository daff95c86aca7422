"""Errors as HTTP: one table of status codes, and always `{"error": "<sentence>"}` as the body."""

from __future__ import annotations

import math
from collections.abc import Mapping
from http import HTTPStatus

import orjson
import structlog
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from runtimes.contract.codes import Code
from server.errors import ServingError
from server.frontends.body import WINDOW_BITS, UnsupportedEncoding

STATUS: Mapping[Code, int] = {
    Code.INVALID_ARGUMENT: 400,
    Code.FAILED_PRECONDITION: 400,
    Code.NOT_FOUND: 404,
    Code.UNAUTHENTICATED: 401,
    Code.PERMISSION_DENIED: 403,
    Code.TOO_LARGE: 413,
    Code.UNAVAILABLE: 503,
    Code.OVERLOADED: 429,
    Code.DEADLINE_EXCEEDED: 504,
    Code.CANCELLED: 499,
    Code.UNSUPPORTED: 501,
    Code.INTERNAL: 500,
}

_MAX_MESSAGE = 4096
UNEXPECTED = "internal error; see the server's log"

_log = structlog.get_logger(__name__)


def error_response(status: int, message: str, headers: Mapping[str, str] | None = None) -> Response:
    """The one shape of every refusal."""
    # A message quotes names from outside: they may be endless, or hold what UTF-8 cannot.
    text = message[:_MAX_MESSAGE].encode("utf-8", "replace").decode()
    return Response(orjson.dumps({"error": text}), status, headers, "application/json")


def add_error_handlers(app: Starlette) -> None:
    """Let nothing leave `app` in another shape than `{"error": ...}`."""
    app.add_exception_handler(ServingError, _serving_error)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_middleware(LastResort)


async def _serving_error(_request: Request, error: Exception) -> Response:
    if not isinstance(error, ServingError):  # the handler is registered for nothing else
        raise error
    return serving_error_response(error)


def serving_error_response(error: ServingError) -> Response:
    """What a client is told of `error`."""
    headers = dict(error.told)
    if error.retry_after is not None:
        headers["Retry-After"] = str(max(1, math.ceil(error.retry_after)))
    if isinstance(error, UnsupportedEncoding):
        headers["Accept-Encoding"] = ", ".join(WINDOW_BITS)
    return error_response(STATUS[error.code], error.message, headers)


async def _http_error(request: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        raise error
    headers = dict(error.headers or {})
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        headers["Allow"] = ", ".join(_allowed(request))
    return error_response(error.status_code, HTTPStatus(error.status_code).phrase, headers)


def _allowed(request: Request) -> list[str]:
    """Every verb this path has: the framework names those of the first matching route only."""
    verbs: set[str] = set()
    for route in request.app.routes:
        if route.matches(request.scope)[0] is not Match.NONE:
            verbs.update(getattr(route, "methods", None) or ())
    return sorted(verbs)


class LastResort:
    """Turns an exception nobody expected into a 500 that tells the client nothing, and logs it."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run the app; answer for it if it fails before its answer has begun."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = False

        async def watched(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            await self._app(scope, receive, watched)
        except Exception:
            _log.exception("unexpected error", method=scope["method"], path=scope["path"])
            if started:
                raise
            await error_response(500, UNEXPECTED)(scope, receive, send)
