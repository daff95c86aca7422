"""Applies what the gateway tells in its order, though joining a worker takes a moment."""

from __future__ import annotations

import asyncio
import socket
from collections import deque
from collections.abc import Awaitable, Callable

import structlog

from server.routing.messages import FromGateway, WorkerJoined

log = structlog.get_logger()

Join = Callable[[WorkerJoined, socket.socket], Awaitable[None]]


class Receiver:
    """Hands on messages at once, or behind a worker that is being joined."""

    def __init__(self, join: Join, apply: Callable[[FromGateway], None]) -> None:
        self._join = join
        self._apply = apply
        self._waiting: deque[tuple[FromGateway, socket.socket | None]] = deque()
        self._task: asyncio.Task[None] | None = None

    def received(self, message: FromGateway, sock: socket.socket | None = None) -> None:
        """Take up `message`; `sock`, which came with it, is owned here from now on."""
        if self._task is None and not isinstance(message, WorkerJoined):
            self._apply(message)
            return
        self._waiting.append((message, sock))
        if self._task is None:
            self._task = asyncio.ensure_future(self._work())

    async def _work(self) -> None:
        try:
            while self._waiting:
                message, sock = self._waiting.popleft()
                if isinstance(message, WorkerJoined) and sock is not None:
                    await self._try_to_join(message, sock)
                else:
                    self._apply(message)
        finally:
            self._task = None

    async def _try_to_join(self, message: WorkerJoined, sock: socket.socket) -> None:
        try:
            await self._join(message, sock)
        except OSError as error:  # it died in this very moment; the gateway will replace it
            sock.close()
            log.warning("worker cannot be reached", worker=message.worker, reason=str(error))

    def close(self) -> None:
        """Take up nothing more."""
        if self._task is not None:
            self._task.cancel()
        for _, sock in self._waiting:
            if sock is not None:
                sock.close()
        self._waiting.clear()
