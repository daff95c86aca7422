"""Lets HTTP requests in by who asks, before anything else of them is looked at."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from server.access.access import Access
from server.access.rules import Needs
from server.errors import ServingError
from server.frontends.rest_errors import serving_error_response

NeedsOf = Callable[[str, str], Needs]
"""What a request needs, by its method and its decoded path."""

_NAME = b"authorization"


def authorization(fields: Iterable[tuple[bytes, bytes]]) -> str:
    """What the head `fields` show, "" for nothing. One that is given twice is told as HTTP joins
    them (RFC 9110, section 5.3), which is no token: nobody has to guess which one counts.
    """
    return b", ".join([value for name, value in fields if name == _NAME]).decode("latin-1")


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
        method, path, client = scope["method"], scope["path"], scope.get("client")
        try:
            self._access.check(
                self._door, f"{method} {path}", self._needs(method, path),
                authorization(scope["headers"]), peer=client[0] if client else "",
                basic=self._basic,
            )  # fmt: skip
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
