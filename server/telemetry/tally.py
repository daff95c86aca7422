"""Counting in a frontend: a few additions per request, handed over in one piece now and then."""

from __future__ import annotations

import time
from bisect import bisect_left

from runtimes.contract.codes import Code
from runtimes.contract.messages import Timings
from server.telemetry.counts import LATENCY_BOUNDS_NS, BatchCounts, Counts, Unknown


class VersionTally:
    """What one frontend counts of one load of a version."""

    __slots__ = ("_counts",)

    def __init__(self) -> None:
        self._counts = Counts()

    def success(self, protocol: str, started_ns: int, rows: int, timings: Timings) -> None:
        """Count an answered request of `rows` rows that came at `started_ns` (monotonic)."""
        elapsed = time.monotonic_ns() - started_ns
        counts = self._counts
        door = counts.rest if protocol == "rest" else counts.grpc
        door.requests += 1
        door.ns += elapsed
        # A bound belongs to its own bucket, as in Prometheus.
        door.buckets[bisect_left(LATENCY_BOUNDS_NS, elapsed)] += 1
        counts.last_ms = time.time_ns() // 1_000_000
        counts.rows += rows
        counts.answered += 1
        counts.answered_ns += elapsed
        counts.queue_ns += timings.queue_ns
        counts.queue_buckets[bisect_left(LATENCY_BOUNDS_NS, timings.queue_ns)] += 1
        counts.input_ns += timings.compute_input_ns
        counts.infer_ns += timings.compute_infer_ns
        counts.output_ns += timings.compute_output_ns
        if timings.leads:
            batch = counts.batches.get(timings.batch_rows)
            if batch is None:
                batch = counts.batches[timings.batch_rows] = BatchCounts()
            batch.executions += 1
            counts.padded_rows += timings.padded_rows
            counts.padded_bytes += timings.padded_bytes
            batch.input_ns += timings.compute_input_ns
            batch.infer_ns += timings.compute_infer_ns
            batch.output_ns += timings.compute_output_ns

    def failure(self, protocol: str, started_ns: int, code: Code) -> None:
        """Count a request that ended without an answer."""
        elapsed = time.monotonic_ns() - started_ns
        counts = self._counts
        door = counts.of(protocol)
        door.requests += 1
        door.ns += elapsed
        door.buckets[bisect_left(LATENCY_BOUNDS_NS, elapsed)] += 1
        door.failures[code.value] = door.failures.get(code.value, 0) + 1
        counts.failed += 1
        counts.failed_ns += elapsed

    def take(self) -> Counts:
        """What was counted since the last time; counting begins anew."""
        counts, self._counts = self._counts, Counts()
        return counts


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
