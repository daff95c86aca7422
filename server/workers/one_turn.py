"""Writes what is sent in one turn of the event loop at its end, in one system call.

A write wakes the worker, which costs both sides more than a request does: requests that come
together should go together, and can then be computed together.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from runtimes.contract.tensor import Buffer

_JOIN_BYTES = 64 * 2**10
"""Up to here one copy is cheaper than a call with many buffers."""


class Transport(Protocol):
    """What is needed of asyncio's."""

    def write(self, data: bytes, /) -> None:
        """Write, or keep until that is possible."""

    def writelines(self, buffers: Sequence[Buffer], /) -> None:
        """The same with several buffers."""


class OneTurn:
    """Holds buffers for `transport` until a turn ends; their order is kept."""

    def __init__(
        self, transport: Transport, call_soon: Callable[[Callable[[], None]], object]
    ) -> None:
        self._transport = transport
        self._call_soon = call_soon
        self._held: list[Buffer] = []

    def send(self, buffers: Sequence[Buffer]) -> None:
        """Write them when the loop comes round; they must not change until then."""
        if not self._held:
            self._call_soon(self.flush)
        self._held += buffers

    def flush(self) -> None:
        """Write now what is held."""
        held, self._held = self._held, []
        if not held:
            return
        if sum(map(len, held)) <= _JOIN_BYTES:
            self._transport.write(b"".join(held))
        else:
            self._transport.writelines(held)
