"""How one version is loaded: found, checked for room, started; with pools that only pretend."""

from __future__ import annotations

import asyncio
import os
import threading

import pytest
from prometheus_client import CollectorRegistry

from runtimes.contract.messages import ModelSpec, Ready
from runtimes.contract.tensor import NamedSignature, Signature
from server.lifecycle.footprint import BASE, MIB
from server.lifecycle.loading import Loader, Supplied
from server.lifecycle.states import State
from server.lifecycle.version import ModelVersion
from server.repository.settings import ModelSettings, SwapPolicy
from server.telemetry.recorder import Recorders
from server.workers.worker import LoadError

READY = Ready((NamedSignature(Signature((), ())),), "cuda:1", 1_234_000_000, 56_000_000)


class Pool:
    """Tells `workers` times that it warms up, then gives `outcome`."""

    def __init__(self, outcome=READY, workers=1, pids=()):
        self.outcome = outcome
        self.workers = workers
        self.pids = list(pids)
        self.states = []

    async def start(self, warming):
        for _ in range(self.workers):
            warming()
        if isinstance(self.outcome, Exception):
            raise self.outcome
        return self.outcome


class Setting:
    """A loader over one artifact of 2 MiB, with `free` bytes of memory."""

    def __init__(self, pool=None, free=None, find=None):
        self.pool = pool or Pool()
        self.made = []
        self.found_in = []
        self.registry = CollectorRegistry()
        self.recorders = Recorders(self.registry)
        self._find = find
        self.loader = Loader(self.find, self.make_pool, self.recorders, lambda: free)

    def find(self, settings, version):
        self.found_in.append(threading.current_thread())
        if self._find is not None:
            raise self._find
        spec = ModelSpec(settings.name, version, "onnx", "/models/m/1/model.onnx")
        return Supplied(spec, ("cpu",) * settings.workers, 2 * MIB)

    def make_pool(self, supplied):
        self.made.append(supplied)
        return self.pool


def loading(settings=None, number=1):
    """A version that the manager has just moved to LOADING, and its transitions."""
    transitions = []
    version = ModelVersion(
        1, settings or ModelSettings("m"), number, "test",
        lambda _version, transition: transitions.append((transition.source, transition.target)),
    )  # fmt: skip
    version.move(State.LOADING)
    transitions.clear()
    return version, transitions


async def refusal(setting, version, previous=None) -> str:
    with pytest.raises(LoadError) as caught:
        await setting.loader.load(version, previous)
    return str(caught.value)


async def test_a_loaded_version_can_answer():
    setting = Setting()
    version, _ = loading()

    await setting.loader.load(version, None)

    assert version.runtime == "onnx"
    assert version.pool is setting.pool
    assert version.ready is READY
    assert (
        setting.registry.get_sample_value(
            "underway_requests_in_flight", {"model": "m", "version": "1", "runtime": "onnx"}
        )
        == 0
    )


async def test_an_artifact_is_looked_for_in_a_thread():
    setting = Setting()

    await setting.loader.load(loading()[0], None)

    (thread,) = setting.found_in
    assert thread is not threading.current_thread()


@pytest.mark.parametrize("workers", [1, 3])
async def test_a_version_warms_up_once_its_first_worker_does(workers):
    setting = Setting(Pool(workers=workers))
    version, transitions = loading(ModelSettings("m", workers=workers))

    await setting.loader.load(version, None)

    assert transitions == [(State.LOADING, State.WARMING)]


async def test_a_load_that_was_abandoned_does_not_warm_up():
    setting = Setting()
    version, transitions = loading()
    version.move(State.UNLOADING)
    transitions.clear()

    await setting.loader.load(version, None)

    assert transitions == []


async def test_what_cannot_be_found_starts_no_worker():
    setting = Setting(find=LoadError("m/1 holds no artifact"))
    version, _ = loading()

    assert await refusal(setting, version) == "m/1 holds no artifact"
    assert setting.made == []
    assert version.pool is None


async def test_a_worker_that_cannot_load_fails_the_load_and_leaves_nothing_to_ask():
    setting = Setting(Pool(LoadError("the weights are torn")))
    version, _ = loading()

    assert await refusal(setting, version) == "the weights are torn"
    assert (version.pool, version.ready) == (None, None)


async def test_the_loop_goes_on_while_an_artifact_is_looked_for():
    looking, go_on = threading.Event(), threading.Event()
    setting = Setting()

    def find(settings, version):
        looking.set()
        assert go_on.wait(10)
        raise LoadError("at last")

    loader = Loader(find, setting.make_pool, setting.recorders)
    task = asyncio.ensure_future(loader.load(loading()[0], None))
    await asyncio.to_thread(looking.wait, 10)
    go_on.set()

    with pytest.raises(LoadError, match="at last"):
        await task


# ---- room ---------------------------------------------------------------------------------------


async def test_a_version_without_room_is_refused_with_numbers_before_a_worker_starts():
    setting = Setting(free=10 * MIB)

    reason = await refusal(setting, loading()[0])

    need = (BASE + 3 * MIB) // MIB
    assert reason == (
        f"not enough memory: it needs about {need} MiB (the artifact's size, 1 worker(s)) and 10 "
        "MiB are free. Free some, or set swap: replace in model.yaml to unload the old version "
        "first"
    )
    assert setting.made == []


async def test_a_model_that_replaces_is_not_told_to_replace():
    setting = Setting(free=10 * MIB)
    version, _ = loading(ModelSettings("m", swap=SwapPolicy.REPLACE))

    reason = await refusal(setting, version)

    assert reason.endswith("and 10 MiB are free")


async def test_every_worker_needs_room():
    settings = ModelSettings("m", workers=3, footprint_bytes=100 * MIB)
    too_little, enough = Setting(free=299 * MIB), Setting(free=300 * MIB)

    reason = await refusal(too_little, loading(settings)[0])
    await enough.loader.load(loading(settings)[0], None)

    assert "about 300 MiB (footprint_bytes in model.yaml, 3 worker(s))" in reason
    assert len(enough.made) == 1


async def test_what_serves_tells_how_much_the_next_version_needs():
    setting = Setting(free=MIB)
    previous, _ = loading()
    previous.pool = Pool(pids=[os.getpid()])

    reason = await refusal(setting, loading(number=2)[0], previous)

    assert "what the previous version uses" in reason


@pytest.mark.parametrize("pids", [[], [2**22 + 1]], ids=["none", "gone"])
async def test_a_previous_version_without_workers_tells_nothing(pids):
    setting = Setting(free=MIB)
    previous, _ = loading()
    previous.pool = Pool(pids=pids)

    assert "the artifact's size" in await refusal(setting, loading(number=2)[0], previous)


async def test_where_the_machine_does_not_tell_nothing_is_refused():
    setting = Setting(free=None)

    await setting.loader.load(loading(ModelSettings("m", footprint_bytes=2**50))[0], None)

    assert len(setting.made) == 1


# ---- what the log says --------------------------------------------------------------------------


async def test_a_ready_version_is_logged_with_where_it_runs_and_how_long_it_took():
    setting = Setting()
    version, _ = loading()
    await setting.loader.load(version, None)
    assert setting.loader.details(version) == {}

    version.move(State.READY)

    assert setting.loader.details(version) == {
        "runtime": "onnx", "device": "cuda:1", "load_s": 1.23, "warmup_s": 0.06,
    }  # fmt: skip


async def test_what_was_counted_of_a_version_is_forgotten_when_asked():
    setting = Setting()
    version, _ = loading()
    await setting.loader.load(version, None)

    setting.loader.forget("m", 1)

    labels = {"model": "m", "version": "1"}
    assert setting.registry.get_sample_value("underway_requests_in_flight", labels) is None
