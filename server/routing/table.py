"""The frontend's side of routing: which load answers which name, and who is using it.

The gateway alone decides; a table only applies what it is told, one model's routes as a whole, and
tells back when a load that lost its routes is not in use any more. No I/O, no clock.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Protocol

from runtimes.contract.messages import Result
from runtimes.contract.tensor import Tensor
from server.admission import Usage
from server.naming import resolve, unknown_model
from server.readiness import Standing
from server.routing.messages import (
    Applied,
    Counted,
    FromFrontend,
    LoadAdded,
    Released,
    Routes,
    Started,
    Trouble,
)
from server.telemetry.counts import Report, VersionCounts
from server.telemetry.tally import FailureTally, VersionTally

TableMessage = LoadAdded | Trouble | Routes | Started


class Workers(Protocol):
    """This frontend's connections to the workers of one load."""

    @property
    def is_ready(self) -> bool:
        """True while at least one can be asked."""

    trouble: str
    """Why there are too few, "" where all is well."""

    async def infer(
        self,
        inputs: tuple[Tensor, ...],
        outputs: tuple[str, ...],
        deadline_ns: int,
        priority: int = 0,
        signature: str = "",
    ) -> Result:
        """The answer of the least loaded worker, or the ServingError it ends with.

        `signature` is one that the model has, "" for its default.
        """

    def close(self) -> None:
        """Close every connection."""


class Load:
    """One load as a frontend sees it. `in_use` counts the requests that are in it.

    `signatures` has each by its name, and the default one by "" as well.
    """

    __slots__ = (
        "added", "in_use", "model", "retired", "signatures", "tally", "usage", "workers",
    )  # fmt: skip

    def __init__(self, added: LoadAdded, workers: Workers, usage: Usage) -> None:
        self.added = added
        self.model = added.settings.name
        named = {one.name: one for one in added.signatures}
        self.signatures = {**named, "": added.signatures[0]}
        self.workers = workers
        self.usage = usage
        self.tally = VersionTally()
        self.in_use = 0
        self.retired = False


class _Model:
    """One model's routes as last told."""

    __slots__ = ("known", "loads", "names", "required", "wanted")

    def __init__(self, routes: Routes, loads: Mapping[int, Load]) -> None:
        self.names = {name: loads[number] for name, number in routes.names.items()}
        self.loads = routes.loads
        self.known = routes.known
        self.wanted = routes.wanted
        self.required = routes.required


class RoutingTable:
    """Every model that this frontend knows, and every load it may use or still uses."""

    def __init__(
        self, make_workers: Callable[[LoadAdded], Workers], tell: Callable[[FromFrontend], None]
    ) -> None:
        self._make_workers = make_workers
        self._tell = tell
        self._models: dict[str, _Model] = {}
        self._loads: dict[int, Load] = {}
        self._usage: dict[str, Usage] = {}
        self.unknown, self.refused = FailureTally(), FailureTally()
        self.started = False

    # ---- what requests need --------------------------------------------------------------------

    def find(self, model: str, version: str) -> Load:
        """Who answers for `version`; raises NotFound or Unavailable."""
        there = self._models.get(model)
        if there is None:
            raise unknown_model(model)
        load = there.names.get(version)
        return load if load is not None else resolve(model, version, there.names, there.known)

    def acquire(self, model: str, version: str) -> Load:
        """The same, and one user more, until `give_back`: its workers are not stopped before."""
        load = self.find(model, version)
        load.in_use += 1
        return load

    def give_back(self, load: Load) -> None:
        """One user less."""
        load.in_use -= 1
        if load.retired and not load.in_use:
            self._release(load)

    def versions(self, model: str) -> tuple[int, ...]:
        """The versions of `model` that are ready, ascending."""
        there = self._models.get(model)
        numbers = there.loads if there is not None else ()
        return tuple(sorted({self._loads[number].added.version for number in numbers}))

    def standings(self) -> Iterator[Standing]:
        """How each model stands that is to be served."""
        for name, model in self._models.items():
            if model.wanted:
                load = model.names.get("")
                answers = load is not None and load.workers.is_ready
                yield Standing(name, model.required, answers)

    def loads(self) -> Iterator[Load]:
        """All that are routed to or still in use."""
        return iter(self._loads.values())

    def get(self, number: int) -> Load | None:
        """A load by its number, while it is here."""
        return self._loads.get(number)

    def report(self) -> Report:
        """What was counted since the last report."""
        return Report(
            tuple(
                VersionCounts(load.model, load.added.version, load.in_use, load.tally.take())
                for load in self._loads.values()
            ),
            self.unknown.take(),
            {name: (usage.rows, usage.bytes) for name, usage in self._usage.items()},
            refused=self.refused.take(),
        )

    # ---- what the gateway tells ----------------------------------------------------------------

    def apply(self, message: TableMessage) -> None:
        """Take up one message."""
        match message:
            case LoadAdded():
                usage = self._usage.setdefault(message.settings.name, Usage())
                self._loads[message.load] = Load(message, self._make_workers(message), usage)
            case Trouble(load=number, text=text):
                if (load := self._loads.get(number)) is not None:
                    load.workers.trouble = text
            case Routes():
                self._route(message)
            case Started():
                self.started = True

    def _route(self, routes: Routes) -> None:
        before = self._models.pop(routes.model, None)
        if routes.present:
            self._models[routes.model] = _Model(routes, self._loads)
        self._tell(Applied(routes.revision))
        for number in before.loads if before is not None else ():
            if number not in routes.loads:
                self._retire(self._loads[number])
        self._forget_usage(routes.model)

    def _retire(self, load: Load) -> None:
        load.retired = True
        if not load.in_use:
            self._release(load)

    def _release(self, load: Load) -> None:
        # Counted first: the gateway may forget the version when it is released by all.
        self._tell(Counted(0, self.report()))
        number = load.added.load
        del self._loads[number]
        load.workers.close()
        self._tell(Released(number))
        self._forget_usage(load.model)

    def _forget_usage(self, model: str) -> None:
        if model not in self._models and not any(
            load.model == model for load in self._loads.values()
        ):
            self._usage.pop(model, None)

    def close(self) -> None:
        """Give up every load, in use or not."""
        self._models.clear()
        for load in self._loads.values():
            load.workers.close()
        self._loads.clear()
