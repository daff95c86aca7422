"""The queue between the thread that reads requests and the thread that computes them."""

from __future__ import annotations

import threading
import time
from bisect import insort_right
from collections.abc import Callable
from operator import attrgetter

from runtimes.batching.decide import Limits, Waiting, next_batch, too_full, waiting
from runtimes.contract.messages import Infer

_TURN = attrgetter("turn_ns")


class QueueFull(Exception):
    """A request cannot wait here: the bounds are reached."""


class BatchQueue:
    """Whose turn it is first, goes first; `take` blocks for the next batch. Owned by one worker.

    `batched` says that the first dimension of every input is rows, joined or not. No more than
    `max_rows` rows and `max_bytes` bytes may wait, 0 for no bound.
    """

    def __init__(
        self,
        limits: Limits,
        clock: Callable[[], int] = time.monotonic_ns,
        *,
        batched: bool = True,
        max_rows: int = 0,
        max_bytes: int = 0,
    ) -> None:
        self._limits = limits
        self._clock = clock
        self._batched = batched
        self._max_rows = max_rows
        self._max_bytes = max_bytes
        self._waiting: list[Waiting] = []
        self._rows = 0
        self._bytes = 0
        self._closed = False
        self._nudged = False
        self._changed = threading.Condition()

    def put(self, request: Infer, client: object = None) -> None:
        """Add a request of `client` in its turn; raises QueueFull."""
        entry = waiting(request, self._clock(), self._batched, self._limits.stretch, client)
        with self._changed:
            reason = too_full(self._rows, self._bytes, entry, self._max_rows, self._max_bytes)
            if reason:
                raise QueueFull(reason)
            insort_right(self._waiting, entry, key=_TURN)
            self._rows += entry.rows
            self._bytes += entry.size
            self._changed.notify()

    def cancel(self, request_id: int, client: object = None) -> bool:
        """Take a request out; False where it is not waiting, being computed or answered."""
        with self._changed:
            for index, entry in enumerate(self._waiting):
                if entry.request.id == request_id and entry.client is client:
                    self._remove((index,))
                    return True
            return False

    def drop(self, client: object) -> None:
        """Take out all that `client` asked: nobody waits for it."""
        with self._changed:
            indices = [at for at, entry in enumerate(self._waiting) if entry.client is client]
            if indices:
                self._remove(tuple(indices))

    def close(self) -> None:
        """Let `take` return None once the queue is empty."""
        with self._changed:
            self._closed = True
            self._changed.notify()

    def nudge(self) -> None:
        """Let `take` return at once, now or when it is called next, be it with nothing."""
        with self._changed:
            self._nudged = True
            self._changed.notify()

    def take(self) -> list[Waiting] | None:
        """The next batch, in order; None when closed and empty, no request after a nudge."""
        with self._changed:
            while True:
                if self._nudged:
                    self._nudged = False
                    return []
                if not self._waiting:
                    if self._closed:
                        return None
                    self._changed.wait()
                    continue
                now = self._clock()
                decision = next_batch(self._waiting, self._limits, now)
                if decision.take:
                    return self._remove(decision.take)
                self._changed.wait((decision.wait_until_ns - now) / 1e9)

    def _remove(self, indices: tuple[int, ...]) -> list[Waiting]:
        chosen = [self._waiting[index] for index in indices]
        if indices[-1] - indices[0] == len(indices) - 1:
            del self._waiting[indices[0] : indices[-1] + 1]
        else:
            for index in reversed(indices):
                del self._waiting[index]
        for entry in chosen:
            self._rows -= entry.rows
            self._bytes -= entry.size
        return chosen
