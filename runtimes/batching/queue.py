"""The queue between the thread that reads requests and the thread that computes them."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable

from runtimes.batching.decide import Limits, Waiting, next_batch, waiting
from runtimes.contract.messages import Infer


class BatchQueue:
    """First come, first served; `take` blocks for the next batch. Owned by one worker.

    `batched` says that the first dimension of every input is rows, joined or not.
    """

    def __init__(
        self,
        limits: Limits,
        clock: Callable[[], int] = time.monotonic_ns,
        *,
        batched: bool = True,
    ) -> None:
        self._limits = limits
        self._clock = clock
        self._batched = batched
        self._waiting: deque[Waiting] = deque()
        self._closed = False
        self._changed = threading.Condition()

    def put(self, request: Infer) -> None:
        """Add a request at the end."""
        entry = waiting(request, self._clock(), self._batched)
        with self._changed:
            self._waiting.append(entry)
            self._changed.notify()

    def cancel(self, request_id: int) -> bool:
        """Take a request out; False where it is not waiting, being computed or answered."""
        with self._changed:
            for index, entry in enumerate(self._waiting):
                if entry.request.id == request_id:
                    del self._waiting[index]
                    return True
            return False

    def close(self) -> None:
        """Let `take` return None once the queue is empty."""
        with self._changed:
            self._closed = True
            self._changed.notify()

    def take(self) -> list[Waiting] | None:
        """The next batch, oldest first; None when closed and empty."""
        with self._changed:
            while True:
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
        if indices[-1] == len(indices) - 1:
            for _ in indices:
                self._waiting.popleft()
        else:
            for index in reversed(indices):
                del self._waiting[index]
        return chosen
