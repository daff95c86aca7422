"""The floor: protocol libraries without a gateway, `python -m loadtests.bench.bare rest | grpc`.

Both answer with the first N bytes of what they got, blanks after it where that is less; N ends the
path, and is what the model answers that they are compared with. Prints the port, then serves until
it is ended.
"""

from __future__ import annotations

import socket
import sys
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, TypeAlias

import grpc
import uvicorn
import uvloop

LARGEST = 64 * 2**20

Event = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Event]]
Send = Callable[[Event], Awaitable[None]]
Handler: TypeAlias = "grpc.RpcMethodHandler[bytes, bytes]"


async def echo(scope: Event, receive: Receive, send: Send) -> None:
    """The ASGI application."""
    event = await receive()
    body: bytes = event["body"]
    if event.get("more_body"):
        parts = [body]
        while event.get("more_body"):
            event = await receive()
            parts.append(event["body"])
        body = b"".join(parts)
    size = int(scope["path"][1:])
    answer = body[:size].ljust(size)
    headers = [
        (b"content-type", b"application/octet-stream"),
        (b"content-length", str(len(answer)).encode()),
    ]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": answer})


class Echo(grpc.GenericRpcHandler):  # type: ignore[type-arg]
    """Answers every method whose name is a number; bytes in and out."""

    def __init__(self) -> None:
        self._handlers: dict[str, Handler] = {}

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> Handler:
        """The handler of `/bare/N`."""
        method = handler_call_details.method
        if method not in self._handlers:
            size = int(method.rpartition("/")[2])

            async def answer(request: bytes, _context: object) -> bytes:
                return request[:size].ljust(size)

            self._handlers[method] = grpc.unary_unary_rpc_method_handler(answer)
        return self._handlers[method]


async def serve_rest() -> None:
    """uvicorn as a careful user would run it: uvloop, httptools, no access log."""
    sock = socket.create_server(("127.0.0.1", 0), backlog=2048)
    print(sock.getsockname()[1], flush=True)
    config = uvicorn.Config(
        echo, http="httptools", ws="none", lifespan="off", access_log=False, log_config=None
    )
    await uvicorn.Server(config).serve(sockets=[sock])


async def serve_grpc() -> None:
    """grpc.aio with room for large messages."""
    options = [
        ("grpc.max_receive_message_length", LARGEST),
        ("grpc.max_send_message_length", LARGEST),
    ]
    server = grpc.aio.server(handlers=[Echo()], options=options)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    print(port, flush=True)
    await server.wait_for_termination()


if __name__ == "__main__":
    uvloop.run({"rest": serve_rest, "grpc": serve_grpc}[sys.argv[1]]())
