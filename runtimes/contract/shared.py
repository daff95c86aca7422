"""Shared memory between a frontend and a worker: who writes where, and what may be read.

One piece of memory per connection, in two halves: requests lie in the first, which the frontend
fills, answers in the second, which the worker fills. Whoever fills a half frees what the other side
no longer needs. How the memory is had, is the business of the two sides.
"""

from __future__ import annotations

import contextlib
import mmap
from bisect import bisect_left, insort

from runtimes.contract.hot import INLINE
from runtimes.contract.messages import ProtocolError
from runtimes.contract.tensor import Buffer

THRESHOLD = 64 * 2**10
"""Bytes from which a tensor is better placed here than sent through the socket."""

ALIGNMENT = 64


class Slots:
    """Pieces of a range of memory: taken where they first fit, and joined again when given back."""

    def __init__(self, start: int, size: int) -> None:
        self._free = [(start, size)]
        self._taken: dict[int, int] = {}

    def take(self, size: int) -> int:
        """Where `size` bytes may lie, INLINE where there is no room."""
        wanted = -(-max(size, 1) // ALIGNMENT) * ALIGNMENT
        for index, (offset, length) in enumerate(self._free):
            if length >= wanted:
                if length > wanted:
                    self._free[index] = (offset + wanted, length - wanted)
                else:
                    del self._free[index]
                self._taken[offset] = wanted
                return offset
        return INLINE

    def give(self, offset: int) -> None:
        """Take back what lies at `offset`; raises KeyError where nothing does."""
        size = self._taken.pop(offset)
        index = bisect_left(self._free, (offset, 0))
        if index < len(self._free) and self._free[index][0] == offset + size:
            size += self._free.pop(index)[1]
        if index and sum(self._free[index - 1]) == offset:
            before, length = self._free.pop(index - 1)
            offset, size = before, size + length
        insort(self._free, (offset, size))

    @property
    def free_bytes(self) -> int:
        """Bytes that are not taken."""
        return sum(size for _, size in self._free)


class SharedMemory:
    """One side of the memory in `view`: `first` for the frontend's, which fills the first half."""

    def __init__(self, view: memoryview, *, first: bool) -> None:
        half = len(view) // 2 // ALIGNMENT * ALIGNMENT
        self._view = view
        self._slots = Slots(0 if first else half, half)
        self._theirs = (half, 2 * half) if first else (0, half)
        self._fresh: list[int] = []
        self._held: dict[int, list[int]] = {}

    def place(self, data: Buffer) -> int:
        """Copy `data` here and say where; INLINE where it is small or does not fit."""
        size = len(data)
        if size < THRESHOLD:
            return INLINE
        offset = self._slots.take(size)
        if offset != INLINE:
            self._view[offset : offset + size] = data
            self._fresh.append(offset)
        return offset

    def hold(self, id_: int) -> None:
        """What was placed since the last time belongs to the message `id_`."""
        if self._fresh:
            self._held[id_] = self._fresh
            self._fresh = []

    def release(self, id_: int) -> None:
        """The other side needs nothing of the message `id_` any more."""
        for offset in self._held.pop(id_, ()):
            self._slots.give(offset)

    def view(self, offset: int, size: int) -> memoryview:
        """What the other side placed; raises ProtocolError outside of its half."""
        start, end = self._theirs
        if not start <= offset <= offset + size <= end:
            raise ProtocolError(f"{size} bytes at {offset} are outside of the shared memory")
        return self._view[offset : offset + size]

    def copy(self, offset: int, size: int) -> bytes:
        """The same, to be kept when the other side takes its memory back."""
        return bytes(self.view(offset, size))

    def close(self) -> None:
        """Give the memory back at once; nothing may be placed or read from here on.

        Whatever still looks at it keeps it until it looks away.
        """
        memory = self._view.obj
        self._view.release()
        if isinstance(memory, mmap.mmap):
            with contextlib.suppress(BufferError):
                memory.close()

    @property
    def free_bytes(self) -> int:
        """Room for what this side may place."""
        return self._slots.free_bytes
