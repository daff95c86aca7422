"""What to do next for one model: a pure function from its versions' states to one action.

The same version may be there twice while changed settings are taken up: the old load of it, which
is no longer aspired, and the new one. `id` tells them apart.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from server.lifecycle.states import State
from server.repository.settings import SwapPolicy

LOADING = frozenset({State.LOADING, State.WARMING})
LEAVING = frozenset({State.DRAINING, State.UNLOADING})


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One load of one version as the policy sees it."""

    id: int
    version: int
    state: State
    aspired: bool
    retry_due: bool = False


@dataclass(frozen=True, slots=True)
class Load:
    """Load it now, for the first time or again."""

    id: int


@dataclass(frozen=True, slots=True)
class Unload:
    """Drain it and end its workers."""

    id: int


@dataclass(frozen=True, slots=True)
class Abandon:
    """It is loading and no longer wanted: stop that."""

    id: int


@dataclass(frozen=True, slots=True)
class Forget:
    """It never got ready and is no longer wanted."""

    id: int


Action = Load | Unload | Abandon | Forget


def next_action(snapshots: Sequence[Snapshot], swap: SwapPolicy) -> Action | None:
    """The next action for one model, None where there is nothing to do now.

    Under `surge` a version that serves goes only when one that replaces it is READY, or when
    nothing is aspired any more. Under `replace` it goes first, to make room.
    """
    for snapshot in snapshots:
        if not snapshot.aspired and snapshot.state in LOADING:
            return Abandon(snapshot.id)
        if not snapshot.aspired and snapshot.state in (State.NEW, State.FAILED):
            return Forget(snapshot.id)
    loadable = _loadable(snapshots)
    for stale in sorted(snapshots, key=lambda s: (s.version, s.id)):
        if stale.aspired or stale.state is not State.READY:
            continue
        if is_replaced(stale, snapshots) or (swap is SwapPolicy.REPLACE and loadable):
            return Unload(stale.id)
    if loadable is None or any(s.state in LOADING for s in snapshots):
        return None
    if swap is SwapPolicy.REPLACE and any(s.state in LEAVING for s in snapshots):
        return None  # its memory is not free yet
    return Load(loadable.id)


def _loadable(snapshots: Sequence[Snapshot]) -> Snapshot | None:
    """What is to be loaded next: the newest version first, one never tried before a retry."""
    waiting = [
        s
        for s in snapshots
        if s.aspired and (s.state is State.NEW or (s.state is State.FAILED and s.retry_due))
    ]
    return max(waiting, key=lambda s: (s.state is State.NEW, s.version), default=None)


def is_replaced(stale: Snapshot, snapshots: Sequence[Snapshot]) -> bool:
    """True where `stale`, which is not aspired, may go without anyone missing it."""
    aspired = [s for s in snapshots if s.aspired]
    if not aspired:
        return True
    same = [s for s in aspired if s.version == stale.version]
    return any(s.state is State.READY for s in same or aspired)


def default_id(snapshots: Sequence[Snapshot]) -> int | None:
    """Which load answers requests that name no version: the newest READY, aspired ones first."""
    ready = [s for s in snapshots if s.state is State.READY]
    best = max(ready, key=lambda s: (s.aspired, s.version, s.id), default=None)
    return None if best is None else best.id


def retry_delay(attempt: int, first: float, longest: float = 300.0) -> float:
    """Seconds to wait after failed `attempt` (from 1): doubling from `first` up to `longest`, or
    always `first` where that is more.
    """
    return float(min(first * 2 ** min(attempt - 1, 30), max(first, longest)))
