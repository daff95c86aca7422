"""One measurement: load on one candidate, and what it cost meanwhile."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from loadtests.compare.ask import renamed
from loadtests.compare.counters import Counters, read_counters
from loadtests.compare.gpu import GpuUse, GpuWatch, look, nvml
from loadtests.compare.places import Place
from loadtests.compare.processes import cpu_seconds, memory, tree
from loadtests.compare.result import Cell
from loadtests.compare.spec import Spec
from loadtests.compare.stages import stages_of
from loadtests.compare.statistics import percentiles
from loadtests.generator.answer import TIMEOUT
from loadtests.generator.health import health_of
from loadtests.generator.plan import Plan
from loadtests.generator.process import STOP_TIMEOUT, connected
from loadtests.generator.records import Records
from loadtests.generator.target import plan_for
from loadtests.samples.sample import Sample

MOST_FAILURES = 10
"""Different texts that a measurement keeps."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What a server had done by some moment."""

    counters: Counters | None
    cpu: float | None


class Meter:
    """Measures candidates of one spec with the same questions."""

    def __init__(self, spec: Spec, samples: Sequence[Sample], work: Path) -> None:
        self._spec = spec
        self._samples = samples
        self._work = work
        self._gpu = nvml()

    def plan(self, place: Place, rate: float, seconds: float, round_number: int) -> Plan:
        """The same arrivals for every candidate of a round, others in every round."""
        spec = self._spec
        return plan_for(
            place.address, place.protocol, place.model,
            renamed(self._samples, place.candidate.names),
            seconds=seconds, rate=rate, concurrency=spec.in_flight if rate else spec.clients,
            moments=spec.moments, seed=spec.seed + round_number, trust=place.trust,
            token=place.token,
        )  # fmt: skip

    def measure(
        self, place: Place, rate: float, seconds: float, round_number: int
    ) -> tuple[Cell, NDArray[np.float64]]:
        """One cell, and the latencies in it (milliseconds). Raises GeneratorError."""
        plan = self.plan(place, rate, seconds, round_number)
        library = self._gpu
        watch = GpuWatch((lambda: look(library)) if library is not None else None)
        # Looking for processes takes CPU itself, so that is done before and after the load.
        counters, processes = read_counters(place), tree(place.pid)
        with connected([plan], self._work / "generator") as load:
            cpu = cpu_seconds(processes)
            with watch:
                load.begin()
                (records,) = load.wait(seconds + TIMEOUT + STOP_TIMEOUT)
            after = Seen(read_counters(place), cpu_seconds(processes))
        return cell_of(
            place.name, round_number, rate, records, Seen(counters, cpu), after, watch.result,
            memory(tree(place.pid)),
        ), latencies_of(records)  # fmt: skip


def latencies_of(records: Records) -> NDArray[np.float64]:
    """Of what was answered, in milliseconds since the moment a request was due."""
    table = records.table
    found: NDArray[np.float64] = table["latency"][table["failure"] < 0] * 1000
    return found


def cell_of(
    candidate: str,
    round_number: int,
    rate: float,
    records: Records,
    before: Seen,
    after: Seen,
    gpu: GpuUse,
    memory_now: int | None,
) -> Cell:
    """The figures of one measurement (pure)."""
    table, latencies = records.table, latencies_of(records)
    failed = table["failure"][table["failure"] >= 0]
    span = float(table["answered"].max() - table["intended"].min()) if len(table) else 0.0
    counted = None
    if before.counters is not None and after.counters is not None:
        counted = after.counters.since(before.counters)
    mean = float(latencies.mean()) if len(latencies) else None
    health = health_of(records)
    failures = Counter(records.failures[index] for index in failed.tolist())
    return Cell(
        candidate=candidate, round=round_number, rate=rate, seconds=span,
        answered=len(latencies), failed=len(failed),
        per_second=len(latencies) / span if span > 0 else 0.0,
        latency_ms=percentiles(latencies), mean_ms=mean,
        stages_ms=stages_of(records, counted, mean) if mean is not None else {},
        counted=counted.answered if counted else None,
        batches={str(size): count for size, count in counted.batches.items()} if counted else {},
        cpu_seconds=_spent(before.cpu, after.cpu), memory=memory_now,
        gpu_use=gpu.use, gpu_memory=gpu.memory,
        failures=dict(failures.most_common(MOST_FAILURES)),
        generator_cpu=health.cpu_share, limits=health.limits,
    )  # fmt: skip


def _spent(before: float | None, after: float | None) -> float | None:
    return max(0.0, after - before) if before is not None and after is not None else None
