"""A small REST client, so that measuring costs little of the machine that is measured.

It knows one request per connection at a time and answers with a Content-Length: all that the
server sends here.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Mapping

from loadtests.swap.answer import TIMEOUT, Answer

END = b"\r\n\r\n"


class _Connection(asyncio.Protocol):
    """One connection; `ask` gives the status and the JSON part of the answer's body."""

    def __init__(self) -> None:
        self._received = bytearray()
        self._transport: asyncio.Transport | None = None
        self._waiting: asyncio.Future[tuple[int, bytes]] | None = None
        self.closed = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101
        self._transport = transport

    async def ask(self, request: bytes) -> tuple[int, bytes]:
        assert self._transport is not None  # noqa: S101
        self._waiting = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return await self._waiting

    def data_received(self, data: bytes) -> None:
        self._received += data
        end = self._received.find(END)
        if end < 0:
            return
        first, *lines = self._received[:end].decode("latin-1").lower().split("\r\n")
        headers = dict(line.split(": ", 1) for line in lines)
        body, length = end + len(END), int(headers["content-length"])
        if len(self._received) < body + length:
            return
        document = int(headers.get("inference-header-content-length", length))
        text = bytes(self._received[body : body + document])
        self._received.clear()
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result((int(first.split()[1]), text))

    def connection_lost(self, error: Exception | None) -> None:
        self.closed = True
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_exception(ConnectionError("connection lost"))

    def close(self) -> None:
        self.closed = True
        if self._transport is not None:
            self._transport.abort()


class RestClient:
    """`clients` kept connections, used in turn; a request waits where all are in use."""

    def __init__(self, address: str, requests: Mapping[tuple[str, int], bytes]) -> None:
        host, _, port = address.rpartition(":")
        self._host, self._port = host, int(port)
        self._requests = requests
        self._free: asyncio.Queue[_Connection] = asyncio.Queue()

    async def open(self, clients: int) -> None:
        """Connect."""
        for _ in range(clients):
            self._free.put_nowait(await self._connect())

    async def ask(self, model: str, rows: int) -> Answer:
        """Send one request and tell what came of it; never raises."""
        connection = await self._free.get()
        started, sent = time.monotonic(), time.time()
        try:
            if connection.closed:  # the server may close one that has been idle
                connection = await self._connect()
            async with asyncio.timeout(TIMEOUT):
                status, text = await connection.ask(self._requests[model, rows])
        except TimeoutError:
            connection.close()
            return Answer(started, sent, time.time(), failure="no answer in time")
        except OSError as error:
            connection.close()
            return Answer(started, sent, time.time(), failure=f"connection: {error}")
        finally:
            self._free.put_nowait(connection)
        answered = time.time()
        document = json.loads(text)
        if status != 200:
            failure = f"{status} {document.get('error', '')}"
            return Answer(started, sent, answered, failure=failure)
        return Answer(started, sent, answered, int(document["model_version"]))

    async def close(self) -> None:
        """Disconnect."""
        while not self._free.empty():
            self._free.get_nowait().close()

    async def _connect(self) -> _Connection:
        loop = asyncio.get_running_loop()
        _, connection = await loop.create_connection(_Connection, self._host, self._port)
        return connection
