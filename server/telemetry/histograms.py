"""Counted buckets as histograms in Prometheus' form."""

from __future__ import annotations

from collections.abc import Sequence

from prometheus_client.core import HistogramMetricFamily
from prometheus_client.samples import Exemplar

from server.telemetry.counts import LATENCY_BUCKETS, Latency

Bucket = tuple[str, float] | tuple[str, float, Exemplar]


def add_latency(family: HistogramMetricFamily, labels: Sequence[str], latency: Latency) -> None:
    """One series of `family`, in seconds, with the exemplars that there are."""
    buckets: list[Bucket] = [*cumulative(LATENCY_BUCKETS, latency.buckets)]
    for index, one in latency.exemplars.items():
        if 0 <= index < len(buckets):
            bound, count = buckets[index][:2]
            told = Exemplar({"trace_id": one.trace_id}, one.ns / 1e9, one.at)
            buckets[index] = (bound, count, told)
    family.add_metric(labels, buckets, latency.ns / 1e9)


def cumulative(bounds: Sequence[float], buckets: Sequence[int]) -> list[tuple[str, float]]:
    """Each upper bound with the count of all that is not above it."""
    found: list[tuple[str, float]] = []
    sofar = 0
    for bound, count in zip([*map(str, bounds), "+Inf"], buckets, strict=True):
        sofar += count
        found.append((bound, float(sofar)))
    return found
