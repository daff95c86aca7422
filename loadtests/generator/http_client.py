"""A small HTTP/1.1 client, so that measuring costs little of the machine that is measured.

It sends requests that are ready as bytes, one at a time per connection, and looks at answers only
for what is recorded.
"""

from __future__ import annotations

import asyncio
import re
import ssl
import time
from collections.abc import Sequence

import httptools

from loadtests.generator.answer import TIMEOUT, Answer, stages_of
from loadtests.wire.http_call import adding
from loadtests.wire.token import Token

VERSION = re.compile(rb'"model_version"\s*:\s*"?(\d{1,9})\b')
"""Found without parsing the JSON: that would cost more than all the rest for large answers."""

SHOWN = 300


class _Reply:
    """What the parser has seen of one answer."""

    def __init__(self) -> None:
        self.body: list[bytes] = []
        self.timing = ""
        self.keep_alive = True
        self.is_complete = False

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep what is recorded."""
        if name.lower() == b"server-timing":
            self.timing = value.decode("latin-1")

    def on_body(self, part: bytes) -> None:
        """Keep it."""
        self.body.append(part)

    def on_message_complete(self) -> None:
        """It is whole."""
        self.is_complete = True


class _Connection(asyncio.Protocol):
    """One connection; `ask` gives the status and what was seen of the answer."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._waiting: asyncio.Future[tuple[int, _Reply]] | None = None
        self._expect()
        self.closed = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101
        self._transport = transport

    async def ask(self, request: bytes) -> tuple[int, _Reply]:
        assert self._transport is not None  # noqa: S101
        self._waiting = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return await self._waiting

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            self.close()
            self._end(ConnectionError(f"no HTTP answer: {type(error).__name__}"))
            return
        if self._reply.is_complete:
            status, reply = self._parser.get_status_code(), self._reply
            if not self._parser.should_keep_alive():
                self.close()
            self._expect()
            if self._waiting is not None and not self._waiting.done():
                self._waiting.set_result((status, reply))

    def connection_lost(self, error: Exception | None) -> None:
        self.closed = True
        self._end(ConnectionError("connection lost"))

    def close(self) -> None:
        self.closed = True
        if self._transport is not None:
            self._transport.abort()

    def _expect(self) -> None:
        self._reply = _Reply()
        self._parser = httptools.HttpResponseParser(self._reply)

    def _end(self, error: Exception) -> None:
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_exception(error)


class HttpClient:
    """`clients` kept connections, used in turn; a request waits where all are in use."""

    def __init__(
        self,
        address: str,
        requests: Sequence[bytes],
        token: Token,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        host, _, port = address.rpartition(":")
        self._host, self._port = host.strip("[]"), int(port)
        self._requests = [adding(request, token.headers) for request in requests]
        self._token = token
        self._tls = tls
        self._free: asyncio.Queue[_Connection] = asyncio.Queue()

    async def open(self, clients: int) -> None:
        """Connect; raises OSError where nothing listens."""
        for _ in range(clients):
            self._free.put_nowait(await self._connect())

    async def ask(self, request: int) -> Answer:
        """Send one request and tell what came of it; never raises."""
        connection = await self._free.get()
        started, sent = time.monotonic(), time.time()
        try:
            if connection.closed:  # the server may close one that has been idle
                connection = await self._connect()
            async with asyncio.timeout(TIMEOUT):
                status, reply = await connection.ask(self._requests[request])
        except TimeoutError:
            connection.close()
            return Answer(started, sent, time.time(), failure="no answer in time")
        except OSError as error:
            connection.close()
            return Answer(started, sent, time.time(), failure=f"connection: {error}")
        finally:
            self._free.put_nowait(connection)
        answered, body = time.time(), b"".join(reply.body)
        if status != 200:
            text = self._token.hidden_in(body.decode(errors="replace"))
            failure = f"{status} {text[:SHOWN]}"
            return Answer(started, sent, answered, failure=failure)
        version = VERSION.search(body)
        stages = stages_of(reply.timing) if reply.timing else {}
        return Answer(
            started, sent, answered, int(version[1]) if version else 0, stages=stages
        )  # fmt: skip

    async def close(self) -> None:
        """Disconnect."""
        while not self._free.empty():
            self._free.get_nowait().close()

    async def _connect(self) -> _Connection:
        loop = asyncio.get_running_loop()
        _, connection = await loop.create_connection(
            _Connection, self._host, self._port, ssl=self._tls
        )
        return connection
