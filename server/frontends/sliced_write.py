"""A transport over TLS that is given large answers bit by bit.

What is encrypted waits in a buffer of OpenSSL's until the client takes it, and such a buffer never
becomes smaller: a connection would keep memory of the size of its largest answer until it ends.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable

SLICE_BYTES = 64 * 2**10


class SlicedWrite(asyncio.WriteTransport):
    """Writes to `inner` while that takes something up; its protocol says when, by `pause` and
    `resume`.
    """

    def __init__(self, inner: asyncio.Transport) -> None:
        super().__init__()
        self._inner = inner
        self._waiting: deque[memoryview] = deque()
        self._paused = False
        self._closing = False
        inner.set_write_buffer_limits(high=SLICE_BYTES)

    @property
    def is_full(self) -> bool:
        """True while something waits."""
        return self._paused or bool(self._waiting)

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Write `data` after what waits; what may still change is copied."""
        self._waiting.append(memoryview(data if isinstance(data, bytes) else bytes(data)))
        self._go_on()

    def writelines(self, list_of_data: Iterable[bytes | bytearray | memoryview]) -> None:
        """Write one after the other."""
        for data in list_of_data:
            self.write(data)

    def pause(self) -> None:
        """Nothing more is taken up."""
        self._paused = True

    def resume(self) -> None:
        """Something is again."""
        self._paused = False
        self._go_on()

    def drop(self) -> None:
        """The connection is gone."""
        self._waiting.clear()

    def close(self) -> None:
        """Close once all is written."""
        self._closing = True
        self._go_on()

    def is_closing(self) -> bool:
        """True once it is closed or the peer is gone."""
        return self._closing or self._inner.is_closing()

    def _go_on(self) -> None:
        while self._waiting and not self._paused:
            data = self._waiting.popleft()
            if len(data) > SLICE_BYTES:
                self._waiting.appendleft(data[SLICE_BYTES:])
            # What it calls may pause this, and may write.
            self._inner.write(data[:SLICE_BYTES])
        if self._closing and not self._waiting:
            self._inner.close()
