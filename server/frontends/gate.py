"""Lets HTTP requests in by who asks, before anything else of them is looked at."""

from __future__ import annotations

from collections.abc import Callable

from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from server.access.access import Access
from server.access.rules import Needs
from server.errors import ServingError
from server.frontends.rest_errors import serving_error_response

NeedsOf = Callable[[str, str], Needs]
"""What a request needs, by its method and its decoded path."""

_NAME = b"authorization"


class Gate:
    """In front of one port's application. `basic` where people come with browsers."""

    def __init__(self, access: Access, door: str, needs: NeedsOf, *, basic: bool = False) -> None:
        self._access = access
        self._door = door
        self._needs = needs
        self._basic = basic

    def refusal(self, scope: Scope) -> Response | None:
        """What answers the request of `scope`, None where it is let in."""
        if self._access.rules is None or scope["type"] != "http":
            return None
        needs = self._needs(scope["method"], scope["path"])
        # Of a header given twice the first counts, as everywhere.
        shown = next((value for name, value in scope["headers"] if name == _NAME), b"")
        try:
            self._access.check(self._door, needs, shown.decode("latin-1"), basic=self._basic)
        except ServingError as error:
            return serving_error_response(error)
        return None


class Gated:
    """An application behind its gate."""

    def __init__(self, app: ASGIApp, gate: Gate) -> None:
        self._app = app
        self._gate = gate

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or refuse it."""
        await (self._gate.refusal(scope) or self._app)(scope, receive, send)
