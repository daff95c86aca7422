"""All models at one moment, as one document: what a console or a script polls every second.

Counts are totals since the server began to serve a version; who polls takes differences.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from server.exchange import STAGES
from server.lifecycle.load_metrics import LoadFacts, WorkerFacts, WorkerMemory
from server.lifecycle.model import Model
from server.lifecycle.states import State
from server.lifecycle.version import ModelVersion
from server.telemetry.counts import LATENCY_BUCKETS, Counts, Latency, merge_latency
from server.telemetry.gpus import Gpu
from server.telemetry.totals import Totals, VersionTotals


@dataclass(frozen=True, slots=True)
class Durations:
    """How many there were, their sum in seconds, and how many in each of the buckets, which are
    those of Overview.latency_bounds and one above; not cumulative.
    """

    count: int
    sum_s: float
    buckets: Sequence[int]


@dataclass(frozen=True, slots=True)
class WorkerView:
    """One worker; memory in bytes, null where it is not told, `started_at` in Unix seconds."""

    pid: int
    device: str
    started_at: float
    resident_bytes: int | None
    proportional_bytes: int | None
    gpu_bytes: int | None


@dataclass(frozen=True, slots=True)
class VersionView:
    """One load of a version. `seconds_in_state` and the like are seconds, `requests` by protocol
    and outcome, `batches` executions by size.

    A version may be there twice while it takes up changed settings; both tell the same counts.
    """

    version: int
    state: str
    reason: str
    seconds_in_state: float
    default: bool
    runtime: str
    device: str
    load_s: float | None
    warm_up_s: float | None
    workers: Sequence[WorkerView]
    in_flight: int
    rows: int
    bytes_in: int
    bytes_out: int
    requests: Mapping[str, Mapping[str, Durations]]
    stages: Mapping[str, Durations]
    batches: Mapping[str, int]
    padded_rows: int
    rejected: Mapping[str, int]
    restarts: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class ModelView:
    """One model; `error` says why nothing of it can be loaded, "" where something can."""

    name: str
    error: str
    labels: Mapping[str, int]
    pending_rows: int
    pending_bytes: int
    versions: Sequence[VersionView]


@dataclass(frozen=True, slots=True)
class Overview:
    """`time` is in Unix seconds, `latency_bounds` the upper bounds of all buckets in seconds."""

    time: float
    latency_bounds: Sequence[float]
    models: Sequence[ModelView]
    unknown: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    event_loop_lag: Mapping[str, Durations] = field(default_factory=dict)
    gpus: Sequence[Gpu] = ()


class Sketch:
    """The part of an overview that only the event loop may look at, taken at once."""

    def __init__(self, models: Iterable[Model], totals: Totals, loads: Sequence[LoadFacts]) -> None:
        self.loads = loads
        self._totals = totals
        self._counts = {(one.model, one.version): one for one in totals.versions}
        self._facts = {(one.model, one.version): one for one in loads}
        self._models = [
            (model.name, model.error, {**model.labels}, model.routes.get(""), _shown(model))
            for model in models
        ]

    def finished(self, memory: Mapping[int, WorkerMemory], gpus: Sequence[Gpu]) -> Overview:
        """The whole, with what had to be read in a thread."""
        return Overview(
            time.time(),
            LATENCY_BUCKETS,
            [
                ModelView(
                    name, error, labels, *self._totals.usage.get(name, (0, 0)),
                    [self._version(one, one is default, memory) for one in versions],
                )
                for name, error, labels, default, versions in self._models
            ],
            self._totals.unknown,
            {process: _durations(lag) for process, lag in self._totals.lags.items()},
            gpus,
        )  # fmt: skip

    def _version(
        self, load: ModelVersion, default: bool, memory: Mapping[int, WorkerMemory]
    ) -> VersionView:
        key = (load.settings.name, load.version)
        totals = self._counts.get(key) or VersionTotals(*key, load.runtime, Counts())
        facts = self._facts.get(key) if load.state is State.READY else None
        counts = totals.counts
        protocols = counts.protocols.values()
        return VersionView(
            version=load.version,
            state=load.state.value,
            reason=load.reason,
            seconds_in_state=round(load.seconds_in_state, 3),
            default=default,
            runtime=load.runtime,
            device=facts.device if facts else "",
            load_s=facts.load_s if facts else None,
            warm_up_s=facts.warm_up_s if facts else None,
            workers=[_worker(one, memory) for one in facts.workers] if facts else (),
            in_flight=totals.in_flight,
            rows=sum(one.rows for one in protocols),
            bytes_in=sum(one.bytes_in for one in protocols),
            bytes_out=sum(one.bytes_out for one in protocols),
            requests={
                protocol: {name: _durations(found) for name, found in one.outcomes.items()}
                for protocol, one in counts.protocols.items()
            },
            stages=_stages(counts),
            batches={str(size): one.executions for size, one in sorted(counts.batches.items())},
            padded_rows=counts.padded_rows,
            rejected=counts.rejected,
            restarts=totals.restarts,
        )


def _shown(model: Model) -> list[ModelVersion]:
    """All that is not over, and what has ended only where nothing else is there of its version."""
    there = {one.version for one in model.loads.values() if one.state is not State.ENDED}
    ended = {one.version: one for one in model.loads.values() if one.version not in there}
    alive = [one for one in model.loads.values() if one.state is not State.ENDED]
    return sorted([*alive, *ended.values()], key=lambda one: (one.version, one.id))


def _stages(counts: Counts) -> Mapping[str, Durations]:
    summed = [Latency() for _ in STAGES]
    for protocol in counts.protocols.values():
        for total, stage in zip(summed, protocol.stages, strict=True):
            merge_latency(total, stage)
    return {name: _durations(one) for name, one in zip(STAGES, summed, strict=True)}


def _durations(latency: Latency) -> Durations:
    return Durations(latency.count, latency.ns / 1e9, latency.buckets)


def _worker(worker: WorkerFacts, memory: Mapping[int, WorkerMemory]) -> WorkerView:
    found = memory.get(worker.pid)
    host = found.host if found is not None else None
    return WorkerView(
        worker.pid, worker.device, worker.started_at,
        host.resident if host is not None else None,
        host.proportional if host is not None else None,
        found.gpu if found is not None else None,
    )  # fmt: skip
