"""What is loaded, as metrics: workers with their memory and age, and how long loading took."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from server.admission import AdmissionBounds
from server.lifecycle.footprint import Memory, memory_of
from server.lifecycle.gpu_memory import gpu_memory_of
from server.lifecycle.states import State
from server.lifecycle.version import ModelVersion
from server.telemetry.host import cpu_seconds_of
from server.telemetry.recorder import Recorders
from server.telemetry.totals import LABELS, Totals

FRESH = 5.0
"""Seconds for which what was read of a worker's memory holds: reading it takes milliseconds."""


@dataclass(frozen=True, slots=True)
class WorkerFacts:
    """One worker that can be asked; `started_at` is in Unix seconds."""

    pid: int
    device: str
    started_at: float


@dataclass(frozen=True, slots=True)
class WorkerMemory:
    """Bytes a worker has in the host, and on its GPU where it has one that tells."""

    host: Memory | None
    gpu: int | None


@dataclass(frozen=True, slots=True)
class LoadFacts:
    """One READY load. Times are seconds."""

    model: str
    version: int
    runtime: str
    device: str
    load_s: float
    warm_up_s: float
    workers: tuple[WorkerFacts, ...]

    @property
    def names(self) -> tuple[str, str, str]:
        """As VersionTotals.names."""
        return self.model, str(self.version), self.runtime


def facts_of(versions: Iterable[ModelVersion]) -> list[LoadFacts]:
    """What is to be told of each READY load, the newer one where a version is there twice."""
    found: dict[tuple[str, int], LoadFacts] = {}
    for one in sorted(versions, key=lambda version: version.id):
        ready, pool = one.ready, one.pool
        if one.state is not State.READY or ready is None or pool is None:
            continue
        workers = tuple(
            WorkerFacts(worker.pid, worker.ready.device, worker.started_at)
            for worker in pool.workers
            if worker.ready is not None
        )
        found[one.settings.name, one.version] = LoadFacts(
            one.settings.name, one.version, one.runtime, ready.device, ready.load_ns / 1e9,
            ready.warmup_ns / 1e9, workers,
        )  # fmt: skip
    return list(found.values())


class LoadMetrics(Collector):
    """Facts are noted by the event loop; memory is read where it is collected, in a thread.

    `bounds` and `max_in_flight` (requests in one worker) are what may be in flight.
    """

    def __init__(
        self,
        registry: CollectorRegistry,
        recorders: Recorders,
        bounds: AdmissionBounds,
        max_in_flight: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._recorders = recorders
        self._bounds = bounds
        self._max_in_flight = max_in_flight
        self._clock = clock
        self._memory: dict[int, tuple[float, WorkerMemory]] = {}
        self.loads: Sequence[LoadFacts] = ()
        registry.register(self)

    def note(self, versions: Iterable[ModelVersion]) -> None:
        """What is loaded now."""
        self.loads = facts_of(versions)

    def memory(self, loads: Sequence[LoadFacts]) -> dict[int, WorkerMemory]:
        """What the workers of `loads` have in memory, by pid; blocks for milliseconds each."""
        now = self._clock()
        kept: dict[int, tuple[float, WorkerMemory]] = {}
        for worker in (worker for load in loads for worker in load.workers):
            before = self._memory.get(worker.pid)
            kept[worker.pid] = (
                before if before is not None and now - before[0] < FRESH else (now, _read(worker))
            )
        self._memory = kept
        return {pid: memory for pid, (_, memory) in kept.items()}

    def collect(self) -> Iterator[Metric]:
        """The families as they stand."""
        loads = self.loads
        yield from _loading(loads)
        yield from _workers(loads, self.memory(loads))
        yield self._limit_ratio(loads, self._recorders.snapshot())

    def _limit_ratio(self, loads: Sequence[LoadFacts], totals: Totals) -> Metric:
        ratio = GaugeMetricFamily(
            "underway_in_flight_limit_ratio",
            "What is in flight over what may be, of whichever of a version's limits is nearest: "
            "requests in its workers, its model's rows or bytes. At 1 requests are refused.",
            labels=LABELS,
        )
        in_flight = {(one.model, one.version): one.in_flight for one in totals.versions}
        for load in loads:
            rows, size = totals.usage.get(load.model, (0, 0))
            room = self._max_in_flight * max(1, len(load.workers))
            nearest = max(
                rows / self._bounds.model_rows,
                size / self._bounds.model_bytes,
                in_flight.get((load.model, load.version), 0) / room,
            )
            ratio.add_metric(load.names, nearest)
        return ratio


def _loading(loads: Sequence[LoadFacts]) -> Iterator[Metric]:
    labels = (*LABELS, "device")
    load_s = GaugeMetricFamily(
        "underway_version_load_seconds", "How long a ready version took to load.", labels=labels
    )
    warm_up = GaugeMetricFamily(
        "underway_version_warm_up_seconds", "How long its warm-up and checks took after that.",
        labels=labels,
    )  # fmt: skip
    for load in loads:
        load_s.add_metric((*load.names, load.device), load.load_s)
        warm_up.add_metric((*load.names, load.device), load.warm_up_s)
    yield from (load_s, warm_up)


def _workers(loads: Sequence[LoadFacts], memory: dict[int, WorkerMemory]) -> Iterator[Metric]:
    labels = (*LABELS, "worker")
    count = GaugeMetricFamily("underway_workers", "Workers that can be asked.", labels=LABELS)
    started = GaugeMetricFamily(
        "underway_worker_start_time_seconds", "When a worker was started, since 1970.",
        labels=labels,
    )  # fmt: skip
    cpu = CounterMetricFamily(
        "underway_worker_cpu_seconds", "CPU time a worker has used.", labels=labels
    )
    resident = GaugeMetricFamily(
        "underway_worker_resident_memory_bytes", "Host memory with shared pages counted whole.",
        labels=labels,
    )  # fmt: skip
    proportional = GaugeMetricFamily(
        "underway_worker_proportional_memory_bytes",
        "Host memory with each shared page counted by its share, so that it adds up.",
        labels=labels,
    )
    on_gpu = GaugeMetricFamily(
        "underway_worker_gpu_memory_bytes", "Memory on the worker's GPU.",
        labels=(*labels, "device"),
    )  # fmt: skip
    for load in loads:
        count.add_metric(load.names, len(load.workers))
        # By place, not by process: a worker that is replaced is no new series.
        for place, worker in enumerate(load.workers):
            names = (*load.names, str(place))
            started.add_metric(names, worker.started_at)
            if (seconds := cpu_seconds_of(worker.pid)) is not None:
                cpu.add_metric(names, seconds)
            found = memory[worker.pid]
            if found.host is not None:
                resident.add_metric(names, found.host.resident)
                proportional.add_metric(names, found.host.proportional)
            if found.gpu is not None:
                on_gpu.add_metric((*names, worker.device), found.gpu)
    yield from (count, started, cpu, resident, proportional, on_gpu)


def _read(worker: WorkerFacts) -> WorkerMemory:
    on_gpu = worker.device.startswith("cuda")
    return WorkerMemory(
        memory_of(worker.pid), gpu_memory_of(worker.pid, worker.device) if on_gpu else None
    )
