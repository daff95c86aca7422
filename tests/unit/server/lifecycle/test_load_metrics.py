"""What is told of loads and their workers."""

from __future__ import annotations

import os
from types import SimpleNamespace

import pytest
from prometheus_client import CollectorRegistry

from runtimes.contract.messages import Ready
from runtimes.contract.tensor import NamedSignature, Signature
from server.admission import AdmissionBounds
from server.lifecycle import load_metrics
from server.lifecycle.footprint import memory_of
from server.lifecycle.load_metrics import FRESH, LoadMetrics
from server.lifecycle.states import State
from server.lifecycle.version import ModelVersion
from server.repository.settings import ModelSettings
from server.telemetry.counts import Counts, Report, VersionCounts
from server.telemetry.recorder import Recorders
from tests.unit.server.lifecycle.doubles import Clock

FACTS = {"model": "m", "version": "1", "runtime": "onnx"}
READY = Ready((NamedSignature(Signature((), ())),), "cuda:0", 1_500_000_000, 250_000_000)


def version(id_: int = 1, state: State = State.READY, pids: tuple[int, ...] = ()) -> ModelVersion:
    made = ModelVersion(id_, ModelSettings("m"), 1, "test", lambda version, transition: None)
    made.state, made.runtime, made.ready = state, "onnx", READY
    workers = [SimpleNamespace(pid=pid, ready=READY, started_at=100.0 + pid) for pid in pids]
    made.pool = SimpleNamespace(workers=workers)
    return made


class World:
    def __init__(self) -> None:
        self.clock = Clock()
        self.registry = CollectorRegistry()
        self.recorders = Recorders(self.registry)
        bounds = AdmissionBounds(1000, 1000, model_rows=100, model_bytes=1000)
        self.metrics = LoadMetrics(self.registry, self.recorders, bounds, 10, self.clock)

    def sample(self, name: str, **labels: str) -> float | None:
        return self.registry.get_sample_value(name, {**FACTS, **labels})


@pytest.fixture
def world(monkeypatch) -> World:
    monkeypatch.setattr(load_metrics, "gpu_memory_of", lambda pid, device: 77)
    return World()


def test_a_ready_load_and_its_workers_are_told(world):
    world.metrics.note([version(pids=(os.getpid(),)), version(2, State.LOADING)])

    assert world.sample("underway_version_load_seconds", device="cuda:0") == 1.5
    assert world.sample("underway_version_warm_up_seconds", device="cuda:0") == 0.25
    assert world.sample("underway_workers") == 1
    assert world.sample("underway_worker_start_time_seconds", worker="0") == 100.0 + os.getpid()
    assert world.sample("underway_worker_cpu_seconds_total", worker="0") > 0
    resident = world.sample("underway_worker_resident_memory_bytes", worker="0")
    proportional = world.sample("underway_worker_proportional_memory_bytes", worker="0")
    assert 0 < proportional <= resident
    on_gpu = world.sample("underway_worker_gpu_memory_bytes", worker="0", device="cuda:0")
    assert on_gpu == 77


def test_a_version_that_is_there_twice_is_told_once(world):
    world.metrics.note([version(2, pids=(1, 2)), version(1, pids=(3,))])

    assert world.sample("underway_workers") == 2


def test_a_worker_that_is_gone_has_no_memory(world):
    assert memory_of(2**30) is None


def test_memory_is_read_again_when_it_is_old(world, monkeypatch):
    read: list[int] = []
    monkeypatch.setattr(load_metrics, "memory_of", lambda pid: read.append(pid))
    world.metrics.note([version(pids=(5,))])

    for at in (0.0, FRESH / 2, FRESH):
        world.clock.now = at
        world.metrics.memory(world.metrics.loads)

    assert read == [5, 5]


@pytest.mark.parametrize(
    ("in_flight", "rows", "size", "ratio"),
    [(0, 0, 0, 0.0), (5, 0, 0, 0.25), (5, 50, 0, 0.5), (5, 50, 900, 0.9), (20, 10, 10, 1.0)],
)
def test_the_nearest_limit_counts(world, in_flight, rows, size, ratio):
    world.recorders.expect("m", 1, "onnx")
    counts = VersionCounts("m", 1, in_flight, Counts())
    world.recorders.add(1, Report((counts,), usage={"m": (rows, size)}))
    world.metrics.note([version(pids=(1, 2))])

    assert world.sample("underway_in_flight_limit_ratio") == ratio
