"""What `loadtests.frontend_alone FOLDER envoy` has Envoy load."""

from __future__ import annotations

from starlette.types import Receive, Scope, Send

from loadtests.frontend_alone import mirror_application

_door = mirror_application()


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """Serve one request; the lifespan needs nothing."""
    if scope["type"] == "http":
        await _door(scope, receive, send)
        return
    for part in ("startup", "shutdown"):
        await receive()
        await send({"type": f"lifespan.{part}.complete"})
