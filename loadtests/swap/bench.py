"""The measurement: capacity, a steady while, then the same load while one model is swapped."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import numpy as np

from loadtests.demo import build_demo
from loadtests.swap.load import swap_load
from loadtests.swap.questions import MODELS
from loadtests.swap.records import Records
from server.repository.publish import publish
from tests.harness.server_process import ServerProcess, serving

SETTLE = 2.0
"""Seconds at the start of a load that are not measured."""

THREADS = 1
"""Per worker: the models are small, and threads of several would wait for each other's CPUs."""

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Options:
    """What to measure; times are seconds, `share` is of the measured capacity.

    A version is published when the one before is READY, `every` seconds after that at the
    earliest. `clients` is the most that can be under way by one protocol. `rate` is requests per
    second, 0 to measure the capacity and take a share of it.
    """

    model: str = MODELS[0]
    versions: int = 50
    every: float = 1.0
    share: float = 0.6
    capacity_s: float = 8.0
    steady_s: float = 40.0
    clients: int = 300
    rate: float = 0.0


@dataclass(frozen=True, slots=True)
class Published:
    """A version, when its publish() was called (Unix seconds), and how long that took (seconds)."""

    version: int
    began: float
    seconds: float


@dataclass(frozen=True, slots=True)
class Measured:
    """Everything that was seen. Times are Unix seconds."""

    options: Options
    capacity: float
    rate: float
    records: Records
    history: list[dict[str, Any]]
    steady: tuple[float, float]
    swaps: tuple[float, float]
    published: list[Published]


@contextmanager
def demo_copy(demo: Path, folder: Path) -> Iterator[Path]:
    """A model repository of the three digits models in `folder`; it is removed afterwards."""
    build_demo(demo)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for model in MODELS:
        shutil.copytree(demo / model, folder / model)
        (folder / model / "model.yaml").write_text(f"threads: {THREADS}\n")
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def measure(options: Options, demo: Path, work: Path, say: Say) -> Measured:
    """Run it all; `work` is a folder for what is only needed meanwhile."""
    with demo_copy(demo, work / "models") as repository, serving(repository) as server:
        capacity = 0.0
        rate = options.rate
        if not rate:
            capacity = _capacity(server, options, work)
            rate = round(capacity * options.share)
            say(f"capacity {capacity:.0f} requests/s; the load is {rate:.0f}/s")
        return _swap(server, options, capacity, rate, repository, work, say)


def addresses(server: ServerProcess) -> dict[str, str]:
    """Where the server answers, by protocol."""
    return {"rest": f"127.0.0.1:{server.http_port}", "grpc": server.grpc_address}


def history(server: ServerProcess) -> list[dict[str, Any]]:
    """All transitions, oldest first."""
    answer = httpx.get(f"http://127.0.0.1:{server.metrics_port}/v2/admin/history")
    entries: list[dict[str, Any]] = answer.json()["history"]
    return entries


def publish_versions(
    server: ServerProcess,
    repository: Path,
    models: Sequence[str],
    count: int,
    every: float = 0.0,
    say: Say = lambda text: None,
) -> list[Published]:
    """Publish `count` versions of every model, each once those before are READY.

    The artifact is that of version 1.
    """
    published: list[Published] = []
    due = time.monotonic()
    for number in range(1, count + 1):
        time.sleep(max(0.0, due - time.monotonic()))
        due = time.monotonic() + every
        versions = {model: _publish(repository / model) for model in models}
        for model, new in versions.items():
            server.wait_for("ready", model=model, version=new.version)
        published += versions.values()
        if number % 10 == 0:
            say(f"{number} versions swapped")
    return published


def _publish(folder: Path) -> Published:
    began, started = time.time(), time.monotonic()
    version = publish(folder / "1", folder)
    return Published(version, began, time.monotonic() - started)


def _capacity(server: ServerProcess, options: Options, work: Path) -> float:
    """Answers per second when every client asks again at once; the clients' share included."""
    clients = 8
    with swap_load(addresses(server), MODELS, 0, clients, work / "capacity") as load:
        time.sleep(SETTLE + options.capacity_s)
        table = load.stop().table
    if (table["failure"] >= 0).any():
        raise RuntimeError("requests failed before there was any swap")
    begin = table["sent"].min() + SETTLE
    counted = table[(table["answered"] >= begin) & (table["sent"] <= begin + options.capacity_s)]
    span = counted["answered"].max() - begin
    return float(len(counted) / span)


def _swap(
    server: ServerProcess,
    options: Options,
    capacity: float,
    rate: float,
    repository: Path,
    work: Path,
    say: Say,
) -> Measured:
    with swap_load(addresses(server), MODELS, rate, options.clients, work / "swap") as load:
        time.sleep(SETTLE)
        began = time.time()
        time.sleep(options.steady_s)
        between = time.time()
        # Who publishes does so from another machine; on this one it shall not be in the way.
        os.nice(10)
        say(f"steady for {options.steady_s:g} s; now {options.versions} versions")
        published = publish_versions(
            server, repository, [options.model], options.versions, options.every, say
        )
        ended = time.time()
        time.sleep(1)  # the last old version drains under load too
        records = load.stop()
    _say_what_was_late(records, say)
    return Measured(
        options, capacity, rate, records, history(server), (began, between), (between, ended),
        published,
    )  # fmt: skip


def _say_what_was_late(records: Records, say: Say) -> None:
    p99 = float(np.percentile(records.table["late"], 99)) * 1000
    say(f"{len(records.table)} requests; 99 % were sent within {p99:.2f} ms of their moment")
    say(str(records.health))
