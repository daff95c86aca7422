"""What is counted of each request, kept once and read by both `/metrics` and the statistics API."""

from __future__ import annotations

import time

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
)

from runtimes.contract.codes import Code
from runtimes.contract.messages import Timings
from server.statistics import BatchStatistics, ModelStatistics

LATENCY_BUCKETS = (
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
)  # fmt: skip


class VersionRecorder:
    """Counts one version's requests; its metric children are looked up once, not per request."""

    def __init__(self, metrics: Recorders, model: str, version: int) -> None:
        self.statistics = ModelStatistics(model, version)
        self._labels = (model, str(version))
        self._failures = metrics.failures
        self._requests = {p: metrics.requests.labels(*self._labels, p) for p in ("rest", "grpc")}
        self._latency = {p: metrics.latency.labels(*self._labels, p) for p in ("rest", "grpc")}
        self.in_flight = metrics.in_flight.labels(*self._labels)

    def success(self, protocol: str, started_ns: int, rows: int, timings: Timings) -> None:
        """Count an answered request of `rows` rows that came at `started_ns` (monotonic)."""
        elapsed = time.monotonic_ns() - started_ns
        self._requests[protocol].inc()
        self._latency[protocol].observe(elapsed / 1e9)
        total = self.statistics
        total.last_inference_ms = time.time_ns() // 1_000_000
        total.inference_count += rows
        total.success.add(elapsed)
        total.queue.add(timings.queue_ns)
        total.compute_input.add(timings.compute_input_ns)
        total.compute_infer.add(timings.compute_infer_ns)
        total.compute_output.add(timings.compute_output_ns)
        if timings.leads:
            total.execution_count += 1
            batch = total.batches.setdefault(timings.batch_rows, BatchStatistics())
            batch.compute_input.add(timings.compute_input_ns)
            batch.compute_infer.add(timings.compute_infer_ns)
            batch.compute_output.add(timings.compute_output_ns)

    def failure(self, protocol: str, started_ns: int, code: Code) -> None:
        """Count a request that ended without an answer."""
        elapsed = time.monotonic_ns() - started_ns
        self._requests[protocol].inc()
        self._latency[protocol].observe(elapsed / 1e9)
        self._failures.labels(*self._labels, protocol, code.value).inc()
        self.statistics.fail.add(elapsed)


class Recorders:
    """The metric families, all names in one place, and one recorder per version."""

    def __init__(self, registry: CollectorRegistry) -> None:
        # A second series per counter, of no use to rate().
        disable_created_metrics()  # type: ignore[no-untyped-call]
        labels = ("model", "version")
        self.requests = Counter(
            "underway_requests", "Inference requests ended, answered or not.",
            (*labels, "protocol"), registry=registry,
        )  # fmt: skip
        self.failures = Counter(
            "underway_request_failures", "Inference requests that ended without an answer.",
            (*labels, "protocol", "code"), registry=registry,
        )  # fmt: skip
        self.latency = Histogram(
            "underway_request_duration_seconds", "From decoded request to answer.",
            (*labels, "protocol"), buckets=LATENCY_BUCKETS, registry=registry,
        )  # fmt: skip
        self.in_flight = Gauge(
            "underway_requests_in_flight", "Inference requests being answered.",
            labels, registry=registry,
        )  # fmt: skip
        self._recorders: dict[tuple[str, int], VersionRecorder] = {}

    def of(self, model: str, version: int) -> VersionRecorder:
        """The recorder of one version; the same one after a reload."""
        key = (model, version)
        if key not in self._recorders:
            self._recorders[key] = VersionRecorder(self, model, version)
        return self._recorders[key]

    def forget(self, model: str, version: int) -> None:
        """Drop a version's series, so that a server that swaps for months does not grow."""
        if self._recorders.pop((model, version), None) is None:
            return
        for family in (self.requests, self.failures, self.latency, self.in_flight):
            family.remove_by_labels({"model": model, "version": str(version)})

    def unknown(self, protocol: str, code: Code) -> None:
        """Count a failure that belongs to no ready version; names from outside stay outside."""
        self.failures.labels("_unknown", "", protocol, code.value).inc()
