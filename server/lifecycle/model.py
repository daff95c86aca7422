"""One model: what is wanted of it, the loads of its versions, and who answers which name.

`routes` maps every name a request may give a version ("" for the default, a number, a label) to
the load that answers it. It is replaced as a whole, so that all names move in one step.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace

from server.errors import InvalidArgument
from server.lifecycle.history import Transition
from server.lifecycle.policy import Snapshot, default_id, is_replaced
from server.lifecycle.states import State
from server.lifecycle.version import ModelVersion
from server.repository.aspired import aspired
from server.repository.settings import ModelSettings, SwapPolicy, VersionPolicy

KEPT_ENDED = 8
"""Loads that are over stay visible this many deep."""

OVER = frozenset({State.DRAINING, State.UNLOADING, State.ENDED})
"""From these a load never comes back; the version is loaded anew where it is wanted again."""

Moved = Callable[[ModelVersion, Transition], None]


class Model:
    """The state of one model; changed by the lifecycle manager alone."""

    def __init__(
        self,
        name: str,
        moved: Moved,
        refreshed: Callable[[Model], None],
        forgotten: Callable[[int], None],
    ) -> None:
        self.name = name
        self.error = ""
        self.removed = False
        self.settings = ModelSettings(name)
        self.loads: dict[int, ModelVersion] = {}
        self.routes: Mapping[str, ModelVersion] = {}
        self.changed = asyncio.Event()
        self.retry: asyncio.TimerHandle | None = None
        self._available: tuple[int, ...] = ()
        self._wanted: tuple[int, ...] = ()
        self._labels: dict[str, int] = {}
        self._labels_asked: dict[str, int] = {}
        self._rejected: set[int] = set()
        self._previous: int | None = None
        self._turned_to: int | None = None
        self._moved = moved
        self._refreshed = refreshed
        self._forgotten = forgotten
        self._next_id = 1

    # ---- what is wanted ------------------------------------------------------------------------

    def want(self, settings: ModelSettings, available: Sequence[int], cause: str) -> None:
        """Take up new settings and the versions that could be loaded."""
        if settings.labels != self.settings.labels:
            self._labels_asked = {**settings.labels}
        self.settings = settings
        self._available = tuple(sorted(available))
        self._rejected &= set(available)
        self._update(cause)

    def reject_default(self, cause: str) -> int:
        """Turn from the default version to the one before it; the number of that one."""
        current = self.routes.get("")
        if current is None:
            raise InvalidArgument(f"'{self.name}' has no version to roll back from")
        older = [v for v in self._available if v < current.version and v not in self._rejected]
        ready = [v for v in older if str(v) in self.routes]
        if not older:
            raise InvalidArgument(
                f"'{self.name}' has no version before {current.version} to roll back to"
            )
        target = self._previous if self._previous in ready else max(ready or older)
        assert target is not None  # noqa: S101  # older is not empty
        # Also what is newer and not READY: it would hide the target from the version policy.
        self._rejected |= {v for v in self._available if v > target}
        self._turned_to = target
        for name, version in self._labels_asked.items():
            if version in self._rejected:
                self._labels_asked[name] = target
        self._update(cause)
        return target

    def accept_all(self) -> None:
        """Forget what was rolled back; an operator asked to load again."""
        self._rejected.clear()
        self._turned_to = None

    def label(self, labels: Mapping[str, int | None], cause: str) -> None:
        """Point labels at READY versions, or remove those with None; all of them or none."""
        for name, version in labels.items():
            if version is not None and str(version) not in self.routes:
                there = [v for v in self.loads.values() if v.state is not State.ENDED]
                states = [f"{v.version} is {v.state}" for v in there]
                raise InvalidArgument(
                    f"label '{name}' can only point to a READY version of '{self.name}'; "
                    f"{version} is not one ({', '.join(states) or 'it has none'})"
                )
        asked = {**self._labels_asked, **labels}
        self._labels_asked = {name: number for name, number in asked.items() if number is not None}
        self._update(cause)

    def is_aspired(self, load: ModelVersion) -> bool:
        """True where this very load is wanted: its version, with the present settings."""
        return (
            load.version in self._wanted
            and load.phase not in OVER
            and _same_load(load.settings, self.settings)
        )

    def snapshots(self, now: float) -> list[Snapshot]:
        """The loads as the policy sees them."""
        return [
            Snapshot(
                load.id, load.version, load.phase, self.is_aspired(load),
                load.retry_at is not None and load.retry_at <= now,
            )
            for load in self.loads.values()
        ]  # fmt: skip

    @property
    def labels(self) -> Mapping[str, int]:
        """The labels that can be asked for now."""
        return self._labels

    @property
    def wanted(self) -> tuple[int, ...]:
        """The versions that should be READY."""
        return self._wanted

    @property
    def serving(self) -> tuple[int, ...]:
        """The versions that are READY."""
        return tuple(sorted({v.version for v in self.routes.values()}))

    @property
    def known(self) -> tuple[int, ...]:
        """The versions that are there in any state but ENDED, ascending."""
        loads = self.loads.values()
        return tuple(sorted({one.version for one in loads if one.state is not State.ENDED}))

    @property
    def settled(self) -> bool:
        """True where nothing more will happen of itself, but for retries: every wanted version is
        READY or FAILED, and every other one is gone or has to stay because nothing replaces it.
        """
        snapshots = self.snapshots(0.0)
        return all(
            one.state in (State.READY, State.FAILED) if one.aspired
            else one.state is State.ENDED
            or (one.state is State.READY and not is_replaced(one, snapshots))
            for one in snapshots
        )  # fmt: skip

    @property
    def tried(self) -> bool:
        """True where every wanted version is READY or has FAILED at least once."""
        ended = (State.READY, State.FAILED)
        return all(one.state in ended for one in self.loads.values() if self.is_aspired(one))

    @property
    def available(self) -> bool:
        """True where a version from the place that the settings name is READY."""
        return any(
            one.state is State.READY and one.settings.origin == self.settings.origin
            for one in self.loads.values()
        )

    # ---- keeping it consistent -----------------------------------------------------------------

    def refresh(self) -> None:
        """Rebuild the routes after a load moved, have them told, and wake who waits."""
        self._route()
        # What has become the default or got a label may decide what else is to stay.
        self._want_versions()
        self._prune()
        self._refreshed(self)
        changed, self.changed = self.changed, asyncio.Event()
        changed.set()

    def _update(self, cause: str) -> None:
        self._want_versions()
        for number in self._wanted:
            if not any(
                load.version == number and self._counts(load) for load in self.loads.values()
            ):
                self._add(number, cause)
        for load in self.loads.values():
            wanted = self.is_aspired(load)
            if load.wanted and not wanted:
                load.cause = cause
            load.wanted = wanted
        self.refresh()

    def _want_versions(self) -> None:
        usable = [v for v in self._available if v not in self._rejected]
        wanted = set(aspired(self.settings.version_policy, usable))
        if self._turned_to is not None:
            # The policy alone may name only what was turned from (`specific`).
            if any(version > self._turned_to for version in wanted):
                self._turned_to = None
            elif self._turned_to in usable:
                wanted.add(self._turned_to)
        wanted |= {*self._labels_asked.values(), *self._labels.values()} & set(usable)
        if self.settings.keep_previous and self._previous in usable:
            wanted.add(self._previous)
        self._wanted = tuple(sorted(wanted))

    def _counts(self, load: ModelVersion) -> bool:
        return load.phase not in OVER and _same_load(load.settings, self.settings)

    def _add(self, number: int, cause: str) -> None:
        load = ModelVersion(self._next_id, self.settings, number, cause, self._moved)
        self.loads[load.id] = load
        self._next_id += 1

    def _route(self) -> None:
        """Give out all names anew."""
        routes: dict[str, ModelVersion] = {}
        for load in sorted(self.loads.values(), key=lambda v: (self.is_aspired(v), v.id)):
            if load.serves:
                routes[str(load.version)] = load
        self._labels = dict(self._pointed(routes))
        routes |= {name: routes[str(version)] for name, version in self._labels.items()}
        default = default_id(self.snapshots(0.0))
        if default is not None:
            routes[""] = self.loads[default]
            self._remember_previous(routes[""].version)
        self.routes = routes

    def _pointed(self, routes: Mapping[str, ModelVersion]) -> Iterator[tuple[str, int]]:
        """Each label with the version asked for it, or the one it has until that is READY."""
        for name, asked in self._labels_asked.items():
            for version in (asked, self._labels.get(name)):
                if str(version) in routes and version is not None:
                    yield name, version
                    break

    def _remember_previous(self, new: int) -> None:
        old = self.routes.get("")
        if old is None or old.version == new:
            return
        self._previous = old.version

    def _prune(self) -> None:
        ended = [id for id, load in self.loads.items() if load.state is State.ENDED]
        for id in ended[: max(0, len(ended) - KEPT_ENDED)]:
            version = self.loads.pop(id).version
            if all(load.version != version for load in self.loads.values()):
                self._forgotten(version)


def _same_load(left: ModelSettings, right: ModelSettings) -> bool:
    """True where both settings give the same worker, whatever else differs."""
    return left is right or _of_the_load(left) == _of_the_load(right)


def _of_the_load(settings: ModelSettings) -> ModelSettings:
    return replace(
        settings,
        version_policy=VersionPolicy(),
        labels={},
        swap=SwapPolicy.SURGE,
        keep_previous=False,
        footprint_bytes=None,
        output_labels={},
        required=False,
    )
