"""Memory in which batches are assembled, used again as soon as nothing looks at it any more.

Fresh memory of some size costs as much again as what is copied into it: the kernel hands it out
page by page, all zeros.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence

from runtimes.batching.assemble import joined
from runtimes.contract.tensor import Buffer

REUSED_FROM = 256 * 2**10
"""Bytes from which memory is kept; below, fresh memory is as good."""

MAX_KEPT = 8
MAX_KEPT_BYTES = 256 * 2**20
ALIGNMENT = 64
"""TensorFlow reads memory in place only where it begins at a multiple of this."""


class BatchBuffers:
    """Copies into its own memory, see `assemble.Joining`; belongs to one worker.

    What a batch was computed from may be what it is answered with, or be held by a framework. So
    there is no giving back: memory is free when Python says that no view of it is left.
    """

    def __init__(self, max_bytes: int = MAX_KEPT_BYTES) -> None:
        self._max_bytes = max_bytes
        self._kept: list[bytearray] = []

    def join(self, buffers: Sequence[Buffer]) -> Buffer:
        """All of `buffers`, one behind the other, in writable and aligned memory."""
        size = sum(map(len, buffers))
        if size < REUSED_FROM:
            return joined(buffers)
        target = _aligned(self._free(size), size)
        at = 0
        for buffer in buffers:
            end = at + len(buffer)
            target[at:end] = buffer
            at = end
        return target

    @property
    def kept_bytes(self) -> int:
        """Bytes that are held for batches to come."""
        return sum(map(len, self._kept))

    def _free(self, size: int) -> bytearray:
        wanted = size + ALIGNMENT
        idle = [one for one in self._kept if not _is_seen(one)]
        fitting = [one for one in idle if wanted <= len(one) <= 4 * wanted]
        if fitting:
            return min(fitting, key=len)
        made = bytearray(wanted + wanted // 4)  # the next batch may have some rows more
        for one in idle:
            if len(self._kept) < MAX_KEPT and self.kept_bytes + len(made) <= self._max_bytes:
                break
            self._kept = [kept for kept in self._kept if kept is not one]
        if len(self._kept) < MAX_KEPT and self.kept_bytes + len(made) <= self._max_bytes:
            self._kept.append(made)
        return made


def _is_seen(memory: bytearray) -> bool:
    """True while a view of `memory` is left; then its size cannot be changed."""
    try:
        memory.append(memory.pop())
    except BufferError:
        return True
    return False


def _aligned(memory: bytearray, size: int) -> memoryview:
    start = -ctypes.addressof(ctypes.c_char.from_buffer(memory)) % ALIGNMENT
    return memoryview(memory)[start : start + size]
