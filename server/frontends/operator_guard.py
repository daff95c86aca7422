"""Who may use the operators' port through a browser: pages that came from this port, and no others.

A browser sends requests for any page that it shows, also to addresses that only its user can reach.
It says with each that may change something where the page is from (Origin, Sec-Fetch-Site). Clients
that are no browsers send neither, and are not concerned.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from server.frontends.rest_errors import error_response

MARK = b"x-underway-console"
"""A header that the console's page sends along. Browsers let pages of other origins send it only
where the server allows that, which this one never does."""

_GUARDED = ("/v2/", "/console")
"""Not metrics, which monitoring asks for by whatever name it has for this machine."""

_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})


class OperatorGuard:
    """Refuses with 403 what a page of another origin asks of `app`."""

    def __init__(self, app: ASGIApp, host: str) -> None:
        """`host` is the address that the server listens on."""
        self._app = app
        self._loopback = is_local(host)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or refuse it."""
        refusal = ""
        if scope["type"] == "http" and scope["path"].startswith(_GUARDED) and not _probe(scope):
            refusal = refused(scope["method"], Headers(scope=scope), self._loopback)
        if refusal:
            await error_response(403, refusal)(scope, receive, send)
        else:
            await self._app(scope, receive, send)


def _probe(scope: Scope) -> bool:
    """True for questions after health, which balancers ask by whatever name they have."""
    path: str = scope["path"]
    asks_only = scope["method"] in ("GET", "HEAD")
    return asks_only and (path.startswith("/v2/health/") or path.endswith("/ready"))


def refused(method: str, headers: Mapping[str, str], loopback: bool) -> str:
    """Why a request is refused, "" where it is not; `loopback` where only this machine can ask.

    Then a name that is not this machine's own was made to point here by somebody's page (DNS
    rebinding), which would have the same origin as all that it asks.
    """
    host = headers.get("host", "")
    if loopback and host and not is_local(host_of(host)):
        return (
            f"Host '{host[:100]}': expected localhost or a loopback address, because the server "
            "listens on this machine only"
        )
    if method in _SAFE:
        return ""
    origin = headers.get("origin")
    if origin is not None and _place(origin) != host.lower():
        return f"Origin '{origin[:100]}' is not '{host[:100]}': expected a page of this server"
    if headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        return "the request comes from a page of another site; expected a page of this server"
    return ""


def host_of(place: str) -> str:
    """The host of `host:port` or `[address]:port`, in lower case."""
    try:
        return urlsplit(f"//{place}").hostname or ""
    except ValueError:
        return ""


def is_local(host: str) -> bool:
    """True for names of this machine alone and for loopback addresses."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _place(origin: str) -> str:
    """`host:port` as the header Host has it; "" for an origin that is none, such as `null`."""
    scheme, _, place = origin.partition("://")
    return place.lower() if scheme in ("http", "https") else ""
