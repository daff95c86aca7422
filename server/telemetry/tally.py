"""Counting in a frontend: a few additions per request, handed over in one piece now and then."""

from __future__ import annotations

import time
from bisect import bisect_left, bisect_right

from runtimes.contract.codes import Code
from server.exchange import Exchange
from server.telemetry.counts import (
    LATENCY_BOUNDS_NS,
    OK,
    BatchCounts,
    Counts,
    Exemplar,
    Failures,
    Latency,
    ProtocolCounts,
)

_AT_ONCE = 512
"""How many answered requests are kept before they are added up: sorting so many durations is much
cheaper than to look for each one's bucket."""

_Answered = tuple[int, int, int, int, int, int, int, int, int, int, int, int]
"""Total, rows, bytes in, bytes out, then exchange.STAGES."""


class VersionTally:
    """What one frontend counts of one load of a version."""

    __slots__ = ("_answered", "_counts", "_last_ns")

    def __init__(self) -> None:
        self._counts = Counts()
        self._answered: dict[str, list[_Answered]] = {}
        self._last_ns = 0

    def ended(self, exchange: Exchange, code: Code | None) -> None:
        """Count a request that was answered (None) or that ended with `code`."""
        if code is not None:
            self._failed(exchange, code)
            return
        answered = self._answered.get(exchange.protocol)
        if answered is None:
            answered = self._answered[exchange.protocol] = []
        answered.append((
            exchange.total_ns, exchange.rows, exchange.bytes_in, exchange.bytes_out,
            *exchange.stages(),
        ))  # fmt: skip
        self._last_ns = exchange.ended_ns
        if exchange.timings.leads:
            _count_batch(self._counts, exchange)
        if exchange.trace_id:
            latency = self._counts.of(exchange.protocol).of(OK)
            _show(latency, exchange.total_ns, exchange.trace_id)
        if len(answered) >= _AT_ONCE:
            self._add_up()

    def take(self) -> Counts:
        """What was counted since the last time; counting begins anew."""
        self._add_up()
        counts, self._counts = self._counts, Counts()
        return counts

    def _failed(self, exchange: Exchange, code: Code) -> None:
        counts = self._counts
        door = counts.of(exchange.protocol)
        door.bytes_in += exchange.bytes_in
        observe(door.of(code.value), exchange.total_ns, exchange.trace_id)
        if exchange.rejected:
            reason = exchange.rejected
            counts.rejected[reason] = counts.rejected.get(reason, 0) + 1

    def _add_up(self) -> None:
        for protocol, answered in self._answered.items():
            _add(self._counts.of(protocol), answered)
        self._answered.clear()
        if self._last_ns:
            ago_ns = time.monotonic_ns() - self._last_ns
            self._counts.last_ms = (time.time_ns() - ago_ns) // 1_000_000
            self._last_ns = 0


def _add(door: ProtocolCounts, answered: list[_Answered]) -> None:
    totals, rows, bytes_in, bytes_out, *stages = map(list, zip(*answered, strict=True))
    door.rows += sum(rows)
    door.bytes_in += sum(bytes_in)
    door.bytes_out += sum(bytes_out)
    latency = door.of(OK)
    latency.ns += sum(totals)
    count_all(totals, latency.buckets)
    for index, column in enumerate(stages):
        door.stage_ns[index] += sum(column)
        count_all(column, door.stage_buckets[index])


def count_all(durations: list[int], buckets: list[int]) -> None:
    """Add each of `durations` (nanoseconds; they are sorted here) to its one of `buckets`."""
    durations.sort()
    start, end = 0, len(durations)
    for index, bound in enumerate(LATENCY_BOUNDS_NS):
        if start == end:
            return
        # A bound belongs to its own bucket, as in Prometheus.
        after = bisect_right(durations, bound, start)
        buckets[index] += after - start
        start = after
    buckets[-1] += end - start


def observe(latency: Latency, ns: int, trace_id: str = "") -> None:
    """Count one duration; `trace_id` becomes the exemplar of its bucket."""
    bucket = bisect_left(LATENCY_BOUNDS_NS, ns)
    latency.ns += ns
    latency.buckets[bucket] += 1
    if trace_id:
        _show(latency, ns, trace_id)


def _show(latency: Latency, ns: int, trace_id: str) -> None:
    """Make a request the exemplar of its bucket."""
    latency.exemplars[bisect_left(LATENCY_BOUNDS_NS, ns)] = Exemplar(trace_id, ns, time.time())


def _count_batch(counts: Counts, exchange: Exchange) -> None:
    timings = exchange.timings
    batch = counts.batches.get(timings.batch_rows)
    if batch is None:
        batch = counts.batches[timings.batch_rows] = BatchCounts()
    batch.executions += 1
    batch.input_ns += timings.compute_input_ns
    batch.infer_ns += timings.compute_infer_ns
    batch.output_ns += timings.compute_output_ns
    counts.padded_rows += timings.padded_rows
    counts.padded_bytes += timings.padded_bytes


class FailureTally:
    """Failures by where they came in and by code; names from outside stay outside."""

    def __init__(self) -> None:
        self._counts: Failures = {}

    def failure(self, protocol: str, code: Code) -> None:
        """Count one."""
        by_code = self._counts.setdefault(protocol, {})
        by_code[code.value] = by_code.get(code.value, 0) + 1

    def take(self) -> Failures:
        """What was counted since the last time; counting begins anew."""
        counts, self._counts = self._counts, {}
        return counts
