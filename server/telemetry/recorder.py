"""Everything counted of requests, added up over all frontends: read by `/metrics` and by the
statistics API, so that both tell the same.
"""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client import CollectorRegistry, disable_created_metrics
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from server.statistics import ModelStatistics
from server.telemetry.batch_metrics import batch_metrics, cumulative
from server.telemetry.counts import (
    LATENCY_BUCKETS,
    PROTOCOLS,
    Counts,
    Report,
    Unknown,
    merge,
    merge_failures,
    statistics_of,
)

Key = tuple[str, int]


class Recorders(Collector):
    """Totals per version, and the metric families made of them, all names in one place."""

    def __init__(self, registry: CollectorRegistry) -> None:
        # A second series per counter, of no use to rate().
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self._totals: dict[Key, Counts] = {}
        self._unknown: Unknown = {}
        self._in_flight: dict[int, dict[Key, int]] = {}
        registry.register(self)

    def expect(self, model: str, version: int) -> None:
        """Count a version from here on; one that was there before goes on where it was."""
        self._totals.setdefault((model, version), Counts())

    def add(self, frontend: int, report: Report) -> None:
        """Add what a frontend counted; of versions that are forgotten, nothing is kept."""
        in_flight: dict[Key, int] = {}
        for one in report.versions:
            key = (one.model, one.version)
            total = self._totals.get(key)
            if total is not None:
                merge(total, one.counts)
                in_flight[key] = in_flight.get(key, 0) + one.in_flight
        self._in_flight[frontend] = in_flight
        for protocol, failures in report.unknown.items():
            merge_failures(self._unknown.setdefault(protocol, {}), failures)

    def frontend_gone(self, frontend: int) -> None:
        """Nothing is in flight there any more."""
        self._in_flight.pop(frontend, None)

    def forget(self, model: str, version: int) -> None:
        """Drop a version's series, so that a server that swaps for months does not grow."""
        self._totals.pop((model, version), None)

    def statistics(self, model: str, version: int) -> ModelStatistics:
        """One version's totals; zeros for one that was never expected."""
        return statistics_of(model, version, self._totals.get((model, version), Counts()))

    # ---- metrics -------------------------------------------------------------------------------

    def collect(self) -> Iterator[Metric]:
        """The families as they stand; called at a scrape."""
        labels = ("model", "version")
        requests = CounterMetricFamily(
            "underway_requests", "Inference requests ended, answered or not.",
            labels=(*labels, "protocol"),
        )  # fmt: skip
        failures = CounterMetricFamily(
            "underway_request_failures", "Inference requests that ended without an answer.",
            labels=(*labels, "protocol", "code"),
        )  # fmt: skip
        latency = HistogramMetricFamily(
            "underway_request_duration_seconds", "From decoded request to answer.",
            labels=(*labels, "protocol"),
        )  # fmt: skip
        in_flight = GaugeMetricFamily(
            "underway_requests_in_flight", "Inference requests being answered.", labels=labels
        )
        for (model, version), total in self._totals.items():
            names = (model, str(version))
            in_flight.add_metric(names, self._in_flight_of((model, version)))
            for protocol in PROTOCOLS:
                counts = total.of(protocol)
                requests.add_metric((*names, protocol), counts.requests)
                buckets = cumulative(LATENCY_BUCKETS, counts.buckets)
                latency.add_metric((*names, protocol), buckets, counts.ns / 1e9)
                for code, count in counts.failures.items():
                    failures.add_metric((*names, protocol, code), count)
        for protocol, by_code in self._unknown.items():
            for code, count in by_code.items():
                failures.add_metric(("_unknown", "", protocol, code), count)
        yield from (requests, failures, latency, in_flight)
        yield from batch_metrics(self._totals)

    def _in_flight_of(self, key: Key) -> int:
        return sum(there.get(key, 0) for there in self._in_flight.values())
