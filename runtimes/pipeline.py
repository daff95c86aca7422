"""A worker's batches one after another; what can be done beside the computing is done beside it.

The model is called by one thread alone, that which warmed it up: frameworks keep handles and
caches by thread. A second one, the helper, makes the next batch ready and sends the last one's
answers meanwhile, where that takes longer than handing it over.
"""

from __future__ import annotations

import os
import queue
import threading
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from typing import cast

from runtimes.batching.buffers import BatchBuffers
from runtimes.batching.decide import Waiting
from runtimes.batching.queue import Batch, BatchQueue
from runtimes.clients import Client
from runtimes.contract.messages import Message
from runtimes.execute import Ending, Prepared, after_failure, bounded, compute, late, prepare
from runtimes.functions import Function
from runtimes.profiling import Profiling

HANDOVER_NS = 200_000
"""What a stage must take to be worth another thread: waking it, and two threads in one
interpreter, cost about half of that."""

CANNOT_ANSWER = 4  # exit code

Endings = Sequence[tuple[Waiting, Ending]]


def worth(stage_ns: int, infer_ns: int) -> bool:
    """True where a stage had better run beside the model: what is saved is the shorter of both."""
    return min(stage_ns, infer_ns) > HANDOVER_NS


class Busy:
    """Since when the present batch has been running, for whoever asks from another thread."""

    def __init__(self) -> None:
        self.since_ns = 0

    @property
    def ns(self) -> int:
        """How long the present batch has been running."""
        since = self.since_ns
        return time.monotonic_ns() - since if since else 0


class Pipeline:
    """Computes what is in `batches`, each by the function of `asked` that its requests name.

    Answers have at most `max_answer_bytes`.
    """

    def __init__(
        self,
        asked: Mapping[str, Function],
        batches: BatchQueue,
        busy: Busy,
        max_answer_bytes: int,
        profiling: Profiling | None = None,
    ) -> None:
        self._asked = asked
        self._batches = batches
        self._busy = busy
        self._max_answer_bytes = max_answer_bytes
        self._profiling = profiling
        self._buffers = BatchBuffers()
        self._helper = Helper()
        self._ahead: queue.SimpleQueue[Prepared | None] = queue.SimpleQueue()
        # What the stages took the last time.
        self._preparing_ns = self._infer_ns = self._answering_ns = 0

    def run(self) -> None:
        """Until the queue is closed and empty. Raises DeviceLost, after the endings."""
        reserved: Sequence[Waiting] = ()
        try:
            while (batch := self._next(reserved)) is not None:
                found, ready = batch
                profiling = self._profiling
                if profiling is not None and profiling.under_way:
                    profiling.before()
                self._answer_now([(entry, late(entry)) for entry in found.late])
                if found.entries and ready is None:
                    ready = self._prepared(found.entries)
                # Before the model runs, so that it is made ready while it does.
                reserved = self._reserve()
                if found.entries:
                    self._answer(self._compute(found.entries, ready))
                    if profiling is not None and profiling.under_way:
                        profiling.after()
        finally:
            self._helper.close()

    def _next(self, reserved: Sequence[Waiting]) -> tuple[Batch, Prepared | None] | None:
        """A batch, and what was made ready of it meanwhile."""
        if not reserved:
            batch = self._batches.take()
            return None if batch is None else (batch, None)
        ready = self._ahead.get()
        batch = self._batches.begin()
        # Some were given up meanwhile: what was made ready holds rows that nobody waits for.
        return batch, ready if len(batch.entries) == len(reserved) else None

    def _reserve(self) -> Sequence[Waiting]:
        if not worth(self._preparing_ns, self._infer_ns):
            return ()
        reserved = self._batches.reserve()
        if reserved:
            self._helper.do(lambda: self._ahead.put(self._prepared(reserved)))
        return reserved

    def _prepared(self, entries: Sequence[Waiting]) -> Prepared | None:
        """The batch made ready; None where that fails, which the next stage will meet again."""
        taken_ns = time.monotonic_ns()
        try:
            limits = self._function(entries).limits
            prepared = prepare(entries, taken_ns, limits, self._buffers.join)
        except Exception:
            return None
        self._preparing_ns = prepared.ready_ns - taken_ns
        return prepared

    def _compute(self, entries: Sequence[Waiting], ready: Prepared | None) -> Endings:
        function = self._function(entries)
        now = self._busy.since_ns = time.monotonic_ns()
        try:
            prepared = ready or prepare(entries, now, function.limits)
            endings = compute(function.model, prepared, function.limits)
        except Exception as error:  # whatever a model raises must not end the worker
            self._answer_singly(entries, now, error)
            return ()
        else:
            self._infer_ns = time.monotonic_ns() - now
            return list(zip(entries, endings, strict=True))
        finally:
            self._busy.since_ns = 0

    def _answer_singly(self, entries: Sequence[Waiting], now: int, error: Exception) -> None:
        found: list[tuple[Waiting, Ending]] = []
        function = self._function(entries)
        try:
            endings = after_failure(function.model, entries, now, function.limits, error)
            # In this order: what is raised after the last ending must be raised here, too.
            for ending, entry in zip(endings, entries, strict=False):
                found.append((entry, ending))
        finally:
            self._answer_now(found)

    def _function(self, entries: Sequence[Waiting]) -> Function:
        """What all of `entries` ask."""
        return self._asked[entries[0].request.signature]

    def _answer(self, endings: Endings) -> None:
        beside = worth(self._answering_ns, self._infer_ns) and not self._batches.is_empty
        if not beside or not self._helper.do_if_idle(lambda: self._answer_now(endings)):
            self._answer_now(endings)

    def _answer_now(self, endings: Endings) -> None:
        if not endings:
            return
        started = time.monotonic_ns()
        by_client: dict[Client, list[Message]] = {}
        for entry, ending in endings:
            client = cast(Client, entry.client)
            by_client.setdefault(client, []).append(bounded(ending, self._max_answer_bytes))
        for client, messages in by_client.items():
            client.outbox.send(*messages)
        self._answering_ns = time.monotonic_ns() - started


class Helper:
    """A thread that does one thing after another; started with the first of them."""

    def __init__(self) -> None:
        self._jobs: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._given = self._done = 0

    def do(self, job: Callable[[], None]) -> None:
        """Have `job` done once those before it are."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, daemon=True, name="helper")
            self._thread.start()
        self._given += 1
        self._jobs.put(job)

    def do_if_idle(self, job: Callable[[], None]) -> bool:
        """Have `job` done at once; False, and nothing is done, where another has to end first."""
        if self._given != self._done:
            return False
        self.do(job)
        return True

    def close(self) -> None:
        """Return once all jobs are done."""
        if self._thread is not None:
            self._jobs.put(None)
            self._thread.join()

    def _run(self) -> None:
        try:
            while (job := self._jobs.get()) is not None:
                job()
                self._done += 1
        except Exception:
            traceback.print_exc()
            # Nobody would be answered any more. Its end of file tells the gateway.
            os._exit(CANNOT_ANSWER)
