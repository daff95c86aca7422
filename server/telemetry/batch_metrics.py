"""What workers tell of their batches as metrics: waiting, sizes, and what was filled in."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence

from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily, Metric

from server.telemetry.counts import BATCH_BUCKETS, LATENCY_BUCKETS, Counts

LABELS = ("model", "version")


def batch_metrics(totals: Mapping[tuple[str, int], Counts]) -> Iterator[Metric]:
    """The families of all versions in `totals`."""
    queue = HistogramMetricFamily(
        "underway_queue_duration_seconds", "Answered requests' time in the worker's queue.",
        labels=LABELS,
    )  # fmt: skip
    rows = HistogramMetricFamily(
        "underway_batch_rows", "Rows of each execution, those filled in included.", labels=LABELS
    )
    padded_rows = CounterMetricFamily(
        "underway_batch_padded_rows", "Rows that batches were filled up with.", labels=LABELS
    )
    padded_bytes = CounterMetricFamily(
        "underway_batch_padded_bytes", "Bytes of input that batches were filled up with.",
        labels=LABELS,
    )  # fmt: skip
    for (model, version), total in totals.items():
        names = (model, str(version))
        waits = cumulative(LATENCY_BUCKETS, total.queue_buckets)
        queue.add_metric(names, waits, total.queue_ns / 1e9)
        rows.add_metric(names, *_sizes(total))
        padded_rows.add_metric(names, total.padded_rows)
        padded_bytes.add_metric(names, total.padded_bytes)
    yield from (queue, rows, padded_rows, padded_bytes)


def cumulative(bounds: Sequence[float], buckets: Sequence[int]) -> list[tuple[str, float]]:
    """Each upper bound with the count of all that is not above it."""
    found: list[tuple[str, float]] = []
    sofar = 0
    for bound, count in zip([*map(str, bounds), "+Inf"], buckets, strict=True):
        sofar += count
        found.append((bound, float(sofar)))
    return found


def _sizes(total: Counts) -> tuple[list[tuple[str, float]], float]:
    buckets = [0] * (len(BATCH_BUCKETS) + 1)
    for size, batch in total.batches.items():
        buckets[bisect_left(BATCH_BUCKETS, size)] += batch.executions
    all_rows = sum(size * batch.executions for size, batch in total.batches.items())
    return cumulative(BATCH_BUCKETS, buckets), float(all_rows)
