"""The same counts under the names and labels of Triton Inference Server, for dashboards made for it
(`--metrics-compat triton`). Its durations are microseconds in counters, of answered requests.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from runtimes.contract.codes import Code
from server.statistics import ModelStatistics
from server.telemetry.counts import OK, statistics_of
from server.telemetry.foreign import Counter
from server.telemetry.gpus import Gpu
from server.telemetry.host import HostReader
from server.telemetry.totals import Totals

LABELS = ("model", "version")

REASONS: Mapping[str, str] = {
    Code.OVERLOADED: "REJECTED",
    Code.DEADLINE_EXCEEDED: "REJECTED",
    Code.CANCELLED: "CANCELED",
    Code.INTERNAL: "BACKEND",
    Code.UNAVAILABLE: "BACKEND",
}
"""Triton's word for each code; OTHER for the rest."""

_COUNTERS: tuple[tuple[str, str, Callable[[ModelStatistics], int]], ...] = (
    ("nv_inference_request_success", "Answered requests.", lambda one: one.success.count),
    ("nv_inference_count", "Answered rows.", lambda one: one.inference_count),
    ("nv_inference_exec_count", "Executed batches.", lambda one: one.execution_count),
    ("nv_inference_request_duration_us", "Time of requests.", lambda one: one.success.ns // 1000),
    ("nv_inference_queue_duration_us", "Time in the queue.", lambda one: one.queue.ns // 1000),
    ("nv_inference_compute_input_duration_us", "Time of batch assembly.",
     lambda one: one.compute_input.ns // 1000),
    ("nv_inference_compute_infer_duration_us", "Time in the runtime.",
     lambda one: one.compute_infer.ns // 1000),
    ("nv_inference_compute_output_duration_us", "Time of splitting outputs.",
     lambda one: one.compute_output.ns // 1000),
)  # fmt: skip

_GPU: tuple[tuple[str, str, Callable[[Gpu], float | None]], ...] = (
    ("nv_gpu_utilization", "Share of time, 0 to 1.", lambda gpu: gpu.utilization),
    ("nv_gpu_memory_total_bytes", "Bytes.", lambda gpu: gpu.memory_total),
    ("nv_gpu_memory_used_bytes", "Bytes.", lambda gpu: gpu.memory_used),
    ("nv_gpu_power_usage", "Watts.", lambda gpu: gpu.power_watts),
    ("nv_gpu_power_limit", "Watts.", lambda gpu: gpu.power_limit_watts),
)


class TritonNames(Collector):
    """`loading` tells how many seconds each ready version took to load."""

    def __init__(
        self,
        totals: Callable[[], Totals],
        loading: Callable[[], Mapping[tuple[str, int], float]],
        gpus: Callable[[], Sequence[Gpu]],
        host: HostReader,
    ) -> None:
        self._totals = totals
        self._loading = loading
        self._gpus = gpus
        self._host = host

    def collect(self) -> Iterator[Metric]:
        """The families as they stand."""
        totals = self._totals()
        yield from _requests(totals)
        load = GaugeMetricFamily("nv_model_load_duration_secs", "Seconds to load.", labels=LABELS)
        for (model, version), seconds in self._loading().items():
            load.add_metric((model, str(version)), seconds)
        yield load
        yield from _gpus(self._gpus())
        yield from self._cpus()

    def _cpus(self) -> Iterator[Metric]:
        host = self._host.read()
        for name, value in (
            ("nv_cpu_utilization", host.cpu),
            ("nv_cpu_memory_total_bytes", host.memory_total),
            ("nv_cpu_memory_used_bytes", host.memory_used),
        ):
            if value is not None:
                yield GaugeMetricFamily(name, "Of the machine.", value=value)


def _requests(totals: Totals) -> Iterator[Metric]:
    counters = [(Counter(name, text, LABELS), value) for name, text, value in _COUNTERS]
    failures = Counter(
        "nv_inference_request_failure", "Requests without an answer.", (*LABELS, "reason")
    )
    pending = GaugeMetricFamily(
        "nv_inference_pending_request_count", "Requests under way.", labels=LABELS
    )
    for one in totals.versions:
        names = (one.model, str(one.version))
        statistics = statistics_of(one.model, one.version, one.counts)
        for counter, value in counters:
            counter.add(names, value(statistics))
        by_reason = dict.fromkeys(("REJECTED", "CANCELED", "BACKEND", "OTHER"), 0)
        for counts in one.counts.protocols.values():
            for outcome, latency in counts.outcomes.items():
                if outcome != OK:
                    by_reason[REASONS.get(outcome, "OTHER")] += latency.count
        for reason, count in by_reason.items():
            failures.add((*names, reason), count)
        pending.add_metric(names, one.in_flight)
    yield from (counter for counter, _ in counters)
    yield from (failures, pending)


def _gpus(gpus: Sequence[Gpu]) -> Iterator[Metric]:
    energy = Counter("nv_energy_consumption", "Joules.", ("gpu_uuid",))
    for name, text, value in _GPU:
        family = GaugeMetricFamily(name, text, labels=("gpu_uuid",))
        for gpu in gpus:
            if (found := value(gpu)) is not None:
                family.add_metric((gpu.uuid,), found)
        yield family
    for gpu in gpus:
        if gpu.energy_joules is not None:
            energy.add((gpu.uuid,), gpu.energy_joules)
    yield energy
