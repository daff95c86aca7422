"""What every carrier of calls needs on the way in: metadata, deadlines, and streams that end when
the server stops.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable, Iterator, Mapping

from server.errors import Unavailable

_NO_DEADLINE_S = 365 * 86400.0


class LazyMetadata(Mapping[str, str]):
    """A call's text metadata, read when first asked for: most calls are not asked."""

    __slots__ = ("_entries", "_read")

    def __init__(self, read: Callable[[], Iterable[tuple[str, str | bytes]]]) -> None:
        self._read = read
        self._entries: dict[str, str] | None = None

    def _all(self) -> dict[str, str]:
        if self._entries is None:
            self._entries = {key: value for key, value in self._read() if isinstance(value, str)}
        return self._entries

    def __getitem__(self, key: str) -> str:
        return self._all()[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._all())

    def __len__(self) -> int:
        return len(self._all())


def deadline_in(remaining: float | None) -> int:
    """A deadline that many seconds ahead, in nanoseconds of the monotonic clock; 0 for none."""
    # Clients that want no deadline may say so with one far away.
    if remaining is None or remaining > _NO_DEADLINE_S:
        return 0
    return time.monotonic_ns() + int(remaining * 1e9)


async def until_set(
    stopping: asyncio.Event, messages: AsyncIterator[bytes]
) -> AsyncGenerator[bytes, None]:
    """Messages as they come; raises Unavailable once `stopping` is set."""
    stop = asyncio.create_task(_set(stopping))
    reading: asyncio.Task[bytes | None] | None = None
    try:
        while True:
            reading = asyncio.create_task(_next(messages))
            await asyncio.wait((stop, reading), return_when=asyncio.FIRST_COMPLETED)
            # Even with a message at hand: a client that keeps sending must not hold the server.
            if stop.done():
                raise Unavailable("the server is stopping")
            if (message := reading.result()) is None:
                return
            yield message
    finally:
        stop.cancel()
        if reading is not None:
            reading.cancel()


async def _set(event: asyncio.Event) -> None:
    await event.wait()


async def _next(messages: AsyncIterator[bytes]) -> bytes | None:
    return await anext(messages, None)
