"""A publisher with any number of tables, and links that deliver when the test says so."""

from __future__ import annotations

import itertools
import socket
from collections import deque

from prometheus_client import CollectorRegistry

from runtimes.contract.messages import Ready
from runtimes.contract.tensor import Datatype, NamedSignature, Signature, TensorSpec
from server.lifecycle.model import Model
from server.lifecycle.states import State
from server.lifecycle.version import ModelVersion
from server.repository.settings import ModelSettings
from server.routing.messages import Applied, Counted, Released, Serve, Tell, WorkerJoined
from server.routing.publisher import Publisher, Subscriber
from server.routing.table import RoutingTable, TableMessage
from server.telemetry.recorder import Recorders


class Workers:
    """Connections that only know whether they were closed."""

    def __init__(self) -> None:
        self.is_ready = True
        self.trouble = ""
        self.joined: list[str] = []
        self.closed = False

    def close(self) -> None:
        self.closed = True


class FakeWorker:
    def __init__(self, name: str) -> None:
        self.name = name
        self.dead = False
        self._ends: list[socket.socket] = []

    def connect(self) -> socket.socket:
        """A socket whose other end nobody answers."""
        if self.dead:
            raise ConnectionRefusedError
        ours, theirs = socket.socketpair()
        self._ends.append(theirs)
        return ours


class Pool:
    """Workers of one version, and who wants to hear of new ones."""

    def __init__(self, name: str) -> None:
        self.workers = [FakeWorker(name)]
        self.joined = self.trouble = None

    def watch(self, joined, trouble) -> None:
        self.joined, self.trouble = joined, trouble

    def replace(self, name: str) -> None:
        self.workers = [FakeWorker(name)]
        self.joined(self.workers[0])


class Frontend:
    """One table; what is sent to it waits until `deliver`, unless it is `prompt`."""

    def __init__(self, number: int, publisher: Publisher, *, prompt: bool) -> None:
        self.prompt = prompt
        self.table = RoutingTable(lambda added: Workers(), self._tell)
        self.seen: list[object] = []
        self.serves = False
        self._publisher = publisher
        self._subscriber = Subscriber(number, self)
        self._inbox: deque[tuple[object, socket.socket | None]] = deque()
        self._alive = True
        publisher.join(self._subscriber)

    def send(self, message, sock=None) -> None:
        self._inbox.append((message, sock))
        if self.prompt:
            self.deliver()

    def deliver(self, count: int | None = None) -> None:
        """Take up the next messages, or all."""
        while self._inbox and count != 0:
            self._take(*self._inbox.popleft())
            count = None if count is None else count - 1

    def die(self) -> None:
        self._alive = False
        self._inbox.clear()
        self._publisher.leave(self._subscriber)

    def _take(self, message, sock) -> None:
        if sock is not None:
            sock.close()
        self.seen.append(message)
        if isinstance(message, TableMessage):
            self.table.apply(message)
        elif isinstance(message, WorkerJoined):
            load = self.table.get(message.load)
            if load is not None:
                load.workers.joined.append(message.worker)
        elif isinstance(message, Serve):
            self.serves = True
        elif isinstance(message, Tell):
            self._tell(Counted(message.number, self.table.report()))

    def _tell(self, message) -> None:
        if self._alive and isinstance(message, Applied | Released | Counted):
            self._publisher.received(self._subscriber, message)


class World:
    """One publisher; models whose loads the test moves."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.recorders = Recorders(self.registry)
        self.publisher = Publisher(self.recorders.add)
        self.frontends: list[Frontend] = []
        self.models: dict[str, Model] = {}
        self._ids = itertools.count(1)

    def frontend(self, *, prompt: bool = True) -> Frontend:
        made = Frontend(len(self.frontends), self.publisher, prompt=prompt)
        self.frontends.append(made)
        return made

    def model(self, name: str = "m") -> Model:
        if name not in self.models:
            self.models[name] = Model(
                name, self._moved, self.publisher.announce, lambda version: None
            )
            self.models[name].want(ModelSettings(name), (), "test")
        return self.models[name]

    def want(self, *versions: int, name: str = "m", **settings) -> None:
        """Want those versions of the model, which are not loaded by that."""
        self.model(name).want(ModelSettings(name, **settings), versions, "test")

    def ready(self, version: int, name: str = "m") -> ModelVersion:
        """Have the newest load of that version become READY."""
        load = [one for one in self.model(name).loads.values() if one.version == version][-1]
        load.pool = Pool(f"{name}/{version}")
        # An output of its own, by which a load can be told from others of its version.
        output = TensorSpec(f"y{next(self._ids)}", Datatype.FP32, ())
        load.ready = Ready((NamedSignature(Signature((), (output,))),), "cpu", 1, 1)
        self.recorders.expect(name, version, "echo")
        load.move(State.LOADING)
        load.move(State.READY)
        return load

    def _moved(self, version, transition) -> None:
        self.models[version.settings.name].refresh()
