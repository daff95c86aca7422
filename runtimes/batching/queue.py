"""The queue between the thread that reads requests and the thread that computes them."""

from __future__ import annotations

import threading
import time
from bisect import insort_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from operator import attrgetter

from runtimes.batching.decide import Limits, Waiting, expired, next_batch, too_full, waiting
from runtimes.contract.messages import Infer
from runtimes.contract.record import record

_TURN = attrgetter("turn_ns")
_FOR_EVER_NS = 2**62


@record
class Batch:
    """What leaves the queue: `entries` to run together, in order, and the `late`, not to be run.

    Either may be empty.
    """

    entries: Sequence[Waiting]
    late: Sequence[Waiting] = ()


class QueueFull(Exception):
    """A request cannot wait here: the bounds are reached."""


class BatchQueue:
    """Whose turn it is first, goes first; `take` blocks for the next batch. Owned by one worker.

    One batch may be reserved to be made ready while another is computed. Until it is begun, its
    requests wait like all others: they count, expire, and can be cancelled.

    `limits` are those of the default signature, `others` those of the rest by name. No more than
    `max_rows` rows and `max_bytes` bytes may wait, 0 for no bound.
    """

    def __init__(
        self,
        limits: Limits,
        clock: Callable[[], int] = time.monotonic_ns,
        *,
        others: Mapping[str, Limits] | None = None,
        max_rows: int = 0,
        max_bytes: int = 0,
    ) -> None:
        self._limits = {**(others or {}), "": limits}
        self._clock = clock
        self._max_rows = max_rows
        self._max_bytes = max_bytes
        self._only_full = {
            name: replace(one, max_delay_ns=_FOR_EVER_NS) for name, one in self._limits.items()
        }
        self._waiting: list[Waiting] = []
        self._reserved: list[Waiting] = []
        self._rows = 0
        self._bytes = 0
        self._closed = False
        self._nudged = False
        self._changed = threading.Condition()

    def put(self, request: Infer, client: object = None) -> None:
        """Add a request of `client` in its turn; raises QueueFull."""
        limits = self._limits[request.signature]
        entry = waiting(request, self._clock(), limits.batched, limits.stretch, client)
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

        def meant(entry: Waiting) -> bool:
            return entry.request.id == request_id and entry.client is client

        with self._changed:
            return bool(self._take_out(meant))

    def drop(self, client: object) -> None:
        """Take out all that `client` asked: nobody waits for it."""
        with self._changed:
            self._take_out(lambda entry: entry.client is client)

    @property
    def is_empty(self) -> bool:
        """True where nothing waits, reserved or not."""
        return not self._waiting and not self._reserved

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

    def take(self) -> Batch | None:
        """The next batch; None when closed and empty, one of nothing after a nudge."""
        with self._changed:
            while True:
                if self._nudged:
                    self._nudged = False
                    return Batch(())
                if not self._waiting:
                    if self._closed:
                        return None
                    self._changed.wait()
                    continue
                now = self._clock()
                if late := self._late(now):
                    # Told at once, even where the others wait for company.
                    return Batch((), late)
                decision = next_batch(self._waiting, self._of_leader(self._limits), now)
                if decision.take:
                    return Batch(self._left(self._pick(decision.take)))
                self._changed.wait((decision.wait_until_ns - now) / 1e9)

    def _of_leader(self, limits: Mapping[str, Limits]) -> Limits:
        """Those of the signature that is next to be asked."""
        return limits[self._waiting[0].request.signature]

    def reserve(self) -> Sequence[Waiting]:
        """The next batch if it is full, so that waiting could not better it; to be begun."""
        with self._changed:
            if self._waiting and not self._reserved:
                limits = self._of_leader(self._only_full)
                decision = next_batch(self._waiting, limits, self._clock())
                self._reserved = self._pick(decision.take) if decision.take else []
            return tuple(self._reserved)

    def begin(self) -> Batch:
        """What is left of the batch that was reserved, which waits no more."""
        with self._changed:
            late = self._late(self._clock())
            entries, self._reserved = self._left(self._reserved), []
            return Batch(entries, late)

    def _late(self, now: int) -> list[Waiting]:
        """Take out those that nobody waits for any more."""
        if not any(expired(entry.request, now) for entry in (*self._reserved, *self._waiting)):
            return []
        return self._take_out(lambda entry: expired(entry.request, now))

    def _take_out(self, meant: Callable[[Waiting], bool]) -> list[Waiting]:
        """Take out those that are `meant`, reserved or not."""
        found = [entry for entry in self._reserved if meant(entry)]
        if found:
            self._reserved = [entry for entry in self._reserved if not meant(entry)]
        indices = tuple(at for at, entry in enumerate(self._waiting) if meant(entry))
        if indices:
            found += self._pick(indices)
        return self._left(found)

    def _left(self, entries: list[Waiting]) -> list[Waiting]:
        for entry in entries:
            self._rows -= entry.rows
            self._bytes -= entry.size
        return entries

    def _pick(self, indices: tuple[int, ...]) -> list[Waiting]:
        chosen = [self._waiting[index] for index in indices]
        if indices[-1] - indices[0] == len(indices) - 1:
            del self._waiting[indices[0] : indices[-1] + 1]
        else:
            for index in reversed(indices):
                del self._waiting[index]
        return chosen
