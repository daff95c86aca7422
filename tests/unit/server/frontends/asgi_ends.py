"""The server's ends of one ASGI request, for tests: what the client sent, and what it was sent."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

from starlette.types import Message

from server.frontends.grpc_asgi import GrpcAsgi

HEADERS = {b"content-type": b"application/grpc", b"te": b"trailers"}


class Ends:
    """A client that sends `chunks`, ends its part unless `open`, and leaves when `gone` is set.

    As the servers this is for: after its part's end `receive` answers at once.
    """

    def __init__(self, chunks: Sequence[bytes], *, open_: bool = False) -> None:
        self._chunks = list(chunks)
        self._open = open_
        self.gone = asyncio.Event()
        self.sent: list[Message] = []
        self.got_answer = asyncio.Event()

    async def receive(self) -> Message:
        if self.gone.is_set():
            return {"type": "http.disconnect"}
        if self._chunks:
            more = len(self._chunks) > 1 or self._open
            return {"type": "http.request", "body": self._chunks.pop(0), "more_body": more}
        if self._open:
            await self.gone.wait()
            return {"type": "http.disconnect"}
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(self, message: Message) -> None:
        if self.gone.is_set():
            raise OSError("gone")
        self.sent.append(message)
        if message.get("body"):
            self.got_answer.set()

    @property
    def body(self) -> bytes:
        return b"".join(message.get("body", b"") for message in self.sent)

    @property
    def status(self) -> dict[str, str]:
        """The fields that gRPC reads its status from: of the trailers, or of the only head."""
        fields: dict[str, str] = {}
        for message in self.sent:
            for name, value in message.get("headers", ()):
                fields[name.decode()] = value.decode()
        return fields

    async def call(
        self, app: GrpcAsgi, path: str, headers: Mapping[bytes, bytes] | None = None
    ) -> Ends:
        """Have `app` serve this request, with `headers` besides those every call has."""
        all_headers = {**HEADERS, **(headers or {})}
        scope = {
            "type": "http", "http_version": "2", "method": "POST", "path": path,
            "headers": list(all_headers.items()),
        }  # fmt: skip
        assert app.takes(scope, all_headers)
        await app(scope, all_headers, self.receive, self.send)
        return self
