"""The gateway's side of routing: tells every frontend who answers which name, and knows who still
uses what.

A frontend gets all there is when it joins, then every change, in order. It holds a load from the
moment it is told of it until it says Released, or is gone. A load is drained when nobody holds it:
one slow frontend delays that, and nothing else.
"""

from __future__ import annotations

import asyncio
import itertools
import socket
from collections.abc import Callable
from typing import Protocol

import msgspec
import structlog

from server.lifecycle.model import Model
from server.lifecycle.version import ModelVersion
from server.routing.messages import (
    AccessIs,
    Applied,
    Counted,
    FromGateway,
    LoadAdded,
    LogIs,
    Released,
    Routes,
    Serve,
    Started,
    Tell,
    TraceIs,
    Trouble,
    WorkerJoined,
)
from server.telemetry.counts import Report
from server.workers.worker import Worker

log = structlog.get_logger()

COUNT_WAIT = 1.0
"""Seconds that a scrape waits for frontends to tell what they counted."""

APPLY_WAIT = 2.0
"""Seconds that a control call waits for its outcome to be in force in every frontend."""

Switched = TraceIs | LogIs | AccessIs
"""What holds in every frontend until another of its kind is told."""


class Link(Protocol):
    """Messages to one frontend, in order. Never blocks; a link that is broken takes nothing."""

    def send(self, message: FromGateway, sock: socket.socket | None = None) -> None:
        """Send; `sock` is given away."""


class Subscriber:
    """One frontend, as far as routing goes."""

    def __init__(self, number: int, link: Link) -> None:
        self.number = number
        self.link = link
        self.holds: set[_Published] = set()
        self.applied = 0
        self.told = 0


class _Published:
    """One load that frontends were told of."""

    def __init__(self, added: LoadAdded) -> None:
        self.added = added
        self.holders: set[Subscriber] = set()
        self.idle = asyncio.Event()
        self.trouble = ""
        self.retired = False


class Publisher:
    """Announces routes to all frontends; see lifecycle.announcer.Announcer."""

    def __init__(self, counted: Callable[[int, Report], None]) -> None:
        self._counted = counted
        self._subscribers: set[Subscriber] = set()
        self._loads: dict[ModelVersion, _Published] = {}
        self._routes: dict[str, Routes] = {}
        self._switched: dict[type[Switched], Switched] = {}
        self._started = False
        self._revision = 0
        self._tells = itertools.count(1)
        self._numbers = itertools.count(1)
        self._changed = asyncio.Event()

    # ---- frontends -----------------------------------------------------------------------------

    def join(self, subscriber: Subscriber) -> None:
        """A new frontend: tell it everything there is, then that this was all."""
        self._subscribers.add(subscriber)
        for switched in self._switched.values():
            subscriber.link.send(switched)
        for version, published in self._loads.items():
            if not published.retired:
                self._introduce(subscriber, version, published)
        for routes in self._routes.values():
            subscriber.link.send(routes)
        if self._started:
            subscriber.link.send(Started())
        subscriber.link.send(Serve())

    def leave(self, subscriber: Subscriber) -> None:
        """A frontend is gone, and with it all that it held."""
        self._subscribers.discard(subscriber)
        for published in list(subscriber.holds):
            self._give_up(subscriber, published)
        self._wake()

    def received(self, subscriber: Subscriber, message: Applied | Released | Counted) -> None:
        """What a frontend tells of routes and counts."""
        match message:
            case Applied(revision=revision):
                subscriber.applied = max(subscriber.applied, min(revision, self._revision))
            case Released(load=number):
                for published in list(subscriber.holds):
                    # Only what it may let go of: a load that is routed to stays held.
                    if published.added.load == number and published.retired:
                        self._give_up(subscriber, published)
            case Counted(number=number, report=report):
                subscriber.told = max(subscriber.told, number)
                self._counted(subscriber.number, report)
        self._wake()

    async def applied(self) -> None:
        """Return when all that was announced is in force in every frontend, but not much later."""
        revision = self._revision
        await self._until(lambda one: one.applied >= revision, APPLY_WAIT)

    def in_force(self, model: str) -> bool:
        """Whether every frontend has taken up what was told last of `model`."""
        routes = self._routes.get(model)
        return routes is not None and all(
            one.applied >= routes.revision for one in self._subscribers
        )

    async def gather(self) -> None:
        """Have every frontend tell what it counted; one that does not answer is not waited for."""
        number = next(self._tells)
        for subscriber in self._subscribers:
            subscriber.link.send(Tell(number))
        await self._until(lambda one: one.told >= number, COUNT_WAIT)

    def switch(self, message: Switched) -> None:
        """Tell all frontends, the ones to come as well."""
        self._switched[type(message)] = message
        self._send(message)

    def started(self) -> None:
        """The models found at the start were given their chance."""
        self._started = True
        self._send(Started())

    # ---- what the lifecycle says ---------------------------------------------------------------

    def announce(self, model: Model) -> None:
        """Tell of the model's loads and routes, if they are not what was told before."""
        ready = [one for one in model.loads.values() if one.serves]
        for version in ready:
            if version not in self._loads:
                self._add(version)
        numbers = {version: self._loads[version].added.load for version in ready}
        # Before it is told: a frontend in this process lets go of a load before `send` returns.
        retired = [
            published
            for version, published in self._loads.items()
            if version.settings.name == model.name and version not in numbers
        ]
        for published in retired:
            published.retired = True
        self._tell_routes(
            Routes(
                revision=0,
                model=model.name,
                names={name: numbers[version] for name, version in model.routes.items()},
                loads=tuple(sorted(numbers.values())),
                known=model.known,
                wanted=bool(model.wanted),
                required=model.settings.required,
            )
        )
        for published in retired:
            self._settle(published)

    def withdraw(self, model: Model) -> None:
        """Tell that the model is gone."""
        if model.name in self._routes:
            self._tell_routes(Routes(0, model.name, {}, (), (), wanted=False, present=False))
            del self._routes[model.name]

    async def drained(self, load: ModelVersion) -> None:
        """Return once no frontend holds `load`."""
        published = self._loads.get(load)
        if published is not None:
            await published.idle.wait()

    def users(self, load: ModelVersion) -> int:
        """How many frontends hold it."""
        published = self._loads.get(load)
        return len(published.holders) if published is not None else 0

    # ---- telling it ----------------------------------------------------------------------------

    def _add(self, version: ModelVersion) -> None:
        ready, pool = version.ready, version.pool
        if ready is None or pool is None:
            raise RuntimeError("a version is READY without workers. This is a bug.")
        added = LoadAdded(
            next(self._numbers), version.version, version.runtime, ready.signatures,
            version.settings,
        )  # fmt: skip
        published = self._loads[version] = _Published(added)
        pool.watch(
            lambda worker: self._worker_joined(published, worker),
            lambda text: self._trouble(published, text),
        )
        for subscriber in self._subscribers:
            self._introduce(subscriber, version, published)

    def _introduce(
        self, subscriber: Subscriber, version: ModelVersion, published: _Published
    ) -> None:
        subscriber.holds.add(published)
        published.holders.add(subscriber)
        subscriber.link.send(published.added)
        if published.trouble:
            subscriber.link.send(Trouble(published.added.load, published.trouble))
        for worker in version.pool.workers if version.pool is not None else ():
            _join_worker(subscriber, published, worker)

    def _worker_joined(self, published: _Published, worker: Worker) -> None:
        if not published.retired:
            for subscriber in published.holders:
                _join_worker(subscriber, published, worker)

    def _trouble(self, published: _Published, text: str) -> None:
        published.trouble = text
        for subscriber in published.holders:
            subscriber.link.send(Trouble(published.added.load, text))

    def _tell_routes(self, routes: Routes) -> None:
        last = self._routes.get(routes.model)
        if last is not None and _same(last, routes):
            return
        self._revision += 1
        told = Routes(
            self._revision, routes.model, routes.names, routes.loads, routes.known, routes.wanted,
            routes.present, routes.required,
        )  # fmt: skip
        self._routes[routes.model] = told
        self._send(told)

    def _send(self, message: FromGateway) -> None:
        # A copy: a frontend in this process answers before `send` returns.
        for subscriber in list(self._subscribers):
            subscriber.link.send(message)

    def _give_up(self, subscriber: Subscriber, published: _Published) -> None:
        subscriber.holds.discard(published)
        published.holders.discard(subscriber)
        self._settle(published)

    def _settle(self, published: _Published) -> None:
        if not published.retired or published.holders:
            return
        published.idle.set()
        self._loads = {key: one for key, one in self._loads.items() if one is not published}

    async def _until(self, true_of: Callable[[Subscriber], bool], seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                while not all(map(true_of, self._subscribers)):
                    await self._changed.wait()
        except TimeoutError:
            slow = [one.number for one in self._subscribers if not true_of(one)]
            log.warning("frontends are slow to answer", frontends=slow, waited_s=seconds)

    def _wake(self) -> None:
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()


def _join_worker(subscriber: Subscriber, published: _Published, worker: Worker) -> None:
    try:
        sock = worker.connect()
    except OSError:  # it has just died, and will be replaced
        return
    subscriber.link.send(WorkerJoined(published.added.load, worker.name), sock)


def _same(left: Routes, right: Routes) -> bool:
    return msgspec.structs.replace(left, revision=right.revision) == right
