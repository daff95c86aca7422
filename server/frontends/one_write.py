"""A transport that lets the head of an answer and its body leave in one system call.

uvicorn writes them apart, and each write to a socket costs about as much as parsing a request.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from runtimes.contract.tensor import Buffer

_HEAD = b"HTTP/1.1 "

# Above, two buffers in one call are cheaper than one that both were copied into.
_JOIN_BYTES = 32 * 2**10


class OneWrite(asyncio.WriteTransport):
    """Writes to `inner`; what looks like a head waits for the next write of the same loop turn.

    Nothing depends on the look: whatever waits is written in its order when the turn ends.
    """

    def __init__(
        self,
        inner: asyncio.WriteTransport,
        call_soon: Callable[[Callable[[], None]], asyncio.Handle],
    ) -> None:
        super().__init__()
        self._inner = inner
        self._call_soon = call_soon
        self._held = b""
        self._flushing: asyncio.Handle | None = None

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Write `data`, after or together with what is held."""
        if held := self._held:
            self._held = b""
            if len(data) <= _JOIN_BYTES:
                self._inner.write(b"".join((held, data)))
            else:
                self._inner.writelines((held, data))
        elif data[:9] == _HEAD and isinstance(data, bytes):
            self._held = data
            if self._flushing is None:
                self._flushing = self._call_soon(self._flush)
        else:
            self._inner.write(data)

    def write_whole(self, buffers: Sequence[Buffer]) -> None:
        """Write an answer, head and all, after what is held; nothing of it is kept."""
        self._write_held()
        # A transport may keep what it cannot send at once, and `buffers` are views of others'.
        self._inner.write(b"".join(buffers))

    def close(self) -> None:
        """Write what is held, then close."""
        self._write_held()
        self._inner.close()

    def is_closing(self) -> bool:
        """True once it is closed or the peer is gone."""
        return self._inner.is_closing()

    def _flush(self) -> None:
        self._flushing = None
        self._write_held()

    def _write_held(self) -> None:
        held, self._held = self._held, b""
        if held and not self._inner.is_closing():
            self._inner.write(held)
