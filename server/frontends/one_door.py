"""REST and gRPC as one ASGI application, told apart by content type and not by port."""

from __future__ import annotations

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from server.frontends.grpc_asgi import GrpcAsgi
from server.frontends.polled import PolledReceive


class OneDoor:
    """Hands each request to `grpc` or to `rest`; for servers that `PolledReceive` is made for."""

    def __init__(self, rest: ASGIApp, grpc: GrpcAsgi) -> None:
        self._rest = rest
        self._grpc = grpc

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        headers = dict(scope["headers"])
        if self._grpc.takes(scope, headers):
            await self._grpc(scope, headers, receive, send)
            return
        if scope["method"] == "HEAD":
            send = _without_body(send)
        await self._rest(scope, PolledReceive(receive), send)


def _without_body(send: Send) -> Send:
    """What an answer to HEAD must not have: on HTTP/1.1 the client would take it for the beginning
    of the next answer. Envoy leaves that to the application.
    """

    async def sent(message: Message) -> None:
        await send({**message, "body": b""} if "body" in message else message)

    return sent
