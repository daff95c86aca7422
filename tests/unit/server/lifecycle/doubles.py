"""A loader whose loads end when the test says so, and pools that only know if they were stopped."""

from __future__ import annotations

import asyncio

from prometheus_client import CollectorRegistry

from runtimes.contract.messages import Ready
from runtimes.contract.tensor import NamedSignature, Signature
from server.lifecycle.history import History
from server.lifecycle.manager import LifecycleManager
from server.lifecycle.states import State
from server.repository.settings import ModelSettings
from server.routing.direct import DirectLink
from server.routing.publisher import Publisher
from server.routing.table import RoutingTable
from server.telemetry.lifecycle import LifecycleMeter
from server.telemetry.recorder import Recorders
from server.workers.worker import LoadError


class Clock:
    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


class FakePool:
    """Stops when allowed to."""

    def __init__(self):
        self.stopped = False
        self.is_ready = True
        self.pids = []
        self.workers = []
        self.may_stop = asyncio.Event()
        self.may_stop.set()

    def watch(self, joined, trouble):
        pass

    async def stop(self):
        await self.may_stop.wait()
        self.stopped = True


class FakeLoader:
    """`pending` are the loads under way by id; `endings` counts how often each ended."""

    def __init__(self):
        self.pending = {}
        self.endings = {}
        self.started = []
        self.pools = {}
        self.forgotten = []
        self._recorders = Recorders(CollectorRegistry())

    async def load(self, version, previous):
        future = asyncio.get_running_loop().create_future()
        self.pending[version.id] = future
        self.started.append((version.settings.name, version.version))
        attempt = (version.id, version.attempts)
        try:
            await future
        finally:
            self.pending.pop(version.id, None)
            self.endings[attempt] = self.endings.get(attempt, 0) + 1
        version.pool = FakePool()
        self.pools[version.id] = version.pool
        version.ready = Ready((NamedSignature(Signature((), ())),), "cpu", 1, 1)
        self._recorders.expect(version.settings.name, version.version, "echo")

    def succeed(self, id):
        self.pending[id].set_result(None)

    def fail(self, id, reason="broken"):
        self.pending[id].set_exception(LoadError(reason))

    def details(self, version):
        return {}

    def forget(self, model, version):
        self.forgotten.append((model, version))


class NoWorkers:
    """A frontend's connections to no worker at all."""

    is_ready = True
    trouble = ""

    def close(self):
        pass


class Use:
    def __init__(self, table, load, pool):
        self.pool = pool
        self._table, self._load = table, load

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self._table.give_back(self._load)


class UsedManager(LifecycleManager):
    """A manager together with the table of one frontend in the same process."""

    table: RoutingTable
    publisher: Publisher

    def acquire(self, name, version):
        """A request in that version, until the end of the `with` block."""
        load = self.table.acquire(name, version)
        pool = self.find(name, version).pool
        return Use(self.table, load, pool)


def make_manager(retries=2, drain_timeout=30.0, loader=None):
    loader, clock = loader or FakeLoader(), Clock()
    history = History(LifecycleMeter(CollectorRegistry()))
    publisher = Publisher(lambda frontend, report: None)
    manager = UsedManager(
        loader, history, publisher, drain_timeout=drain_timeout, load_retries=retries,
        retry_first=10.0, clock=clock,
    )  # fmt: skip
    manager.publisher = publisher
    link = DirectLink(publisher, 0)
    manager.table = RoutingTable(lambda added: NoWorkers(), link.tell)
    link.attach(manager.table, None, lambda told: None)
    return manager, loader, clock, history


async def turn(times=12):
    """Let everything that can run do so."""
    for _ in range(times):
        await asyncio.sleep(0)


M = ModelSettings("m")


def states(manager, name="m"):
    return {
        (load.version, load.state) for load in manager.models[name].loads.values()
        if load.state is not State.ENDED
    }  # fmt: skip


def the_default(manager, name="m"):
    found = manager.models[name].routes.get("")
    return found.version if found else None


async def ready(made, *versions, settings=M):
    """Aspire and load those versions."""
    manager, loader, _, _ = made
    manager.aspire(settings, versions, "test")
    await turn()
    while loader.pending:
        for id in list(loader.pending):
            loader.succeed(id)
        await turn()
