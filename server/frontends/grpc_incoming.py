"""The messages of a stream, read ahead of who takes them, so that a client's leaving is noticed
while nobody is reading.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

from starlette.types import Message, Receive

from server.frontends.grpc_frames import Frames, unpacked

_READ_AHEAD = 1


class Incoming:
    """Messages come by `messages` while `until_gone` runs in a task of its own."""

    def __init__(self, receive: Receive, encoding: str, max_bytes: int) -> None:
        self._receive = receive
        self._encoding = encoding
        self._max_bytes = max_bytes
        self._found: asyncio.Queue[bytes | Exception | None] = asyncio.Queue(_READ_AHEAD)

    async def messages(self) -> AsyncGenerator[bytes, None]:
        """What the client sends until it has no more. Raises ServingError for what it may not."""
        while (item := await self._found.get()) is not None:
            if isinstance(item, Exception):
                raise item
            yield item

    async def until_gone(self) -> Message:
        """Read; return ASGI's `http.disconnect` when the client has left."""
        try:
            event = await self._read()
        except Exception as error:  # for who takes the messages
            event = {}
            await self._found.put(error)
        while event.get("type") != "http.disconnect":
            event = await self._receive()
        return event

    async def _read(self) -> Message:
        """The event with which the client's part is over."""
        frames = Frames(self._max_bytes)
        while True:
            event = await self._receive()
            for frame in frames.feed(event.get("body", b"")):
                await self._found.put(await unpacked(frame, self._encoding, self._max_bytes))
            if event["type"] == "http.disconnect":
                return event
            if not event.get("more_body", False):
                frames.finish()
                await self._found.put(None)
                return event
