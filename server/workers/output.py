"""What workers print, line by line into the gateway's log with the name of who printed it."""

from __future__ import annotations

import asyncio
import os

import structlog

log = structlog.get_logger()

MAX_LINE = 4096


class OutputReader(asyncio.Protocol):
    """Reads one pipe to its end; overlong lines are logged in pieces."""

    def __init__(self, context: dict[str, str | int]) -> None:
        self._log = log.bind(**context)
        self._rest = b""

    @classmethod
    async def open(cls, context: dict[str, str | int]) -> int:
        """Start reading a new pipe; returns its write end, for the caller to pass on and close."""
        read_fd, write_fd = os.pipe()
        loop = asyncio.get_running_loop()
        await loop.connect_read_pipe(lambda: cls(context), os.fdopen(read_fd, "rb", buffering=0))
        return write_fd

    def data_received(self, data: bytes) -> None:
        """Log every complete line."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            self._write(line)
        while len(self._rest) > MAX_LINE:
            self._write(self._rest[:MAX_LINE])
            self._rest = self._rest[MAX_LINE:]

    def connection_lost(self, exc: Exception | None) -> None:
        """Log what was left without an end of line."""
        self._write(self._rest)

    def _write(self, line: bytes) -> None:
        text = line.decode("utf-8", "replace").rstrip()
        if text:
            self._log.info("worker output", text=text)
