"""Counting in a frontend: a few additions per request, handed over in one piece now and then."""

from __future__ import annotations

import time
from bisect import bisect_left

from runtimes.contract.codes import Code
from server.exchange import Exchange
from server.telemetry.counts import (
    LATENCY_BOUNDS_NS,
    OK,
    BatchCounts,
    Counts,
    Exemplar,
    Latency,
    Unknown,
)


class VersionTally:
    """What one frontend counts of one load of a version."""

    __slots__ = ("_counts",)

    def __init__(self) -> None:
        self._counts = Counts()

    def ended(self, exchange: Exchange, code: Code | None) -> None:
        """Count a request that was answered (None) or that ended with `code`."""
        counts = self._counts
        door = counts.of(exchange.protocol)
        door.bytes_in += exchange.bytes_in
        if code is not None:
            observe(door.of(code.value), exchange.total_ns, exchange.trace_id)
            if exchange.rejected:
                reason = exchange.rejected
                counts.rejected[reason] = counts.rejected.get(reason, 0) + 1
            return
        door.bytes_out += exchange.bytes_out
        door.rows += exchange.rows
        observe(door.of(OK), exchange.total_ns, exchange.trace_id)
        sums, buckets = door.stage_ns, door.stage_buckets
        for stage, ns in enumerate(exchange.stages()):
            sums[stage] += ns
            # A bound belongs to its own bucket, as in Prometheus.
            buckets[stage][bisect_left(LATENCY_BOUNDS_NS, ns)] += 1
        counts.last_ms = time.time_ns() // 1_000_000
        if exchange.timings.leads:
            _count_batch(counts, exchange)

    def take(self) -> Counts:
        """What was counted since the last time; counting begins anew."""
        counts, self._counts = self._counts, Counts()
        return counts


def observe(latency: Latency, ns: int, trace_id: str = "") -> None:
    """Count one duration; `trace_id` becomes the exemplar of its bucket."""
    bucket = bisect_left(LATENCY_BOUNDS_NS, ns)
    latency.ns += ns
    latency.buckets[bucket] += 1
    if trace_id:
        latency.exemplars[bucket] = Exemplar(trace_id, ns, time.time())


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


class UnknownTally:
    """Failures that belong to no ready version; names from outside stay outside."""

    def __init__(self) -> None:
        self._counts: Unknown = {}

    def failure(self, protocol: str, code: Code) -> None:
        """Count one."""
        by_code = self._counts.setdefault(protocol, {})
        by_code[code.value] = by_code.get(code.value, 0) + 1

    def take(self) -> Unknown:
        """What was counted since the last time; counting begins anew."""
        counts, self._counts = self._counts, {}
        return counts
