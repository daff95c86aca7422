"""A small HTTP server that answers everything alike, and stands still once."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

BODY = b'{"model_name":"m","model_version":"3","outputs":[]}'
ANSWER = (
    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nServer-Timing: queue;dur=0.5\r\n"
    b"Content-Length: %d\r\n\r\n%s" % (len(BODY), BODY)
)


class StallingServer:
    """Answers on `port`; the `stall_at`-th request stops it all for `stall` seconds."""

    def __init__(self, stall_at: int, stall: float) -> None:
        self._stall_at = stall_at
        self._stall = stall
        self._loop = asyncio.new_event_loop()
        self._is_up = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.requests = 0
        self.port = 0

    @property
    def url(self) -> str:
        """Where it is."""
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Listen."""
        self._thread.start()
        assert self._is_up.wait(10)

    def stop(self) -> None:
        """End."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)

    def _run(self) -> None:
        server = self._loop.run_until_complete(
            asyncio.start_server(self._serve, "127.0.0.1", 0, backlog=1000)
        )
        self.port = server.sockets[0].getsockname()[1]
        self._is_up.set()
        self._loop.run_forever()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
                await reader.readexactly(length)
                self.requests += 1
                if self.requests == self._stall_at:
                    time.sleep(self._stall)  # the loop too: every connection waits
                writer.write(ANSWER)
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()


@contextmanager
def stalling(stall_at: int = 0, stall: float = 0.0) -> Iterator[StallingServer]:
    """A running one."""
    server = StallingServer(stall_at, stall)
    server.start()
    try:
        yield server
    finally:
        server.stop()
