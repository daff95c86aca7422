"""What workers tell of their batches as metrics: sizes, and what was filled in."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily, Metric

from server.telemetry.counts import Counts
from server.telemetry.histograms import cumulative
from server.telemetry.totals import LABELS, Totals

BATCH_BUCKETS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)


def batch_metrics(totals: Totals) -> Iterator[Metric]:
    """The families of all versions."""
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
    for one in totals.versions:
        rows.add_metric(one.names, *sizes(one.counts))
        padded_rows.add_metric(one.names, one.counts.padded_rows)
        padded_bytes.add_metric(one.names, one.counts.padded_bytes)
    yield from (rows, padded_rows, padded_bytes)


def sizes(total: Counts) -> tuple[list[tuple[str, float]], float]:
    """Cumulative counts of executions by their rows, and the rows of all of them together."""
    buckets = [0] * (len(BATCH_BUCKETS) + 1)
    for size, batch in total.batches.items():
        buckets[bisect_left(BATCH_BUCKETS, size)] += batch.executions
    all_rows = sum(size * batch.executions for size, batch in total.batches.items())
    return cumulative(BATCH_BUCKETS, buckets), float(all_rows)
