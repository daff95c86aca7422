"""What to do next for one model: a pure function from its versions' states to one action.

Availability comes first: the newest aspired version is loaded before an old one goes, and a
version that is no longer aspired keeps serving until an aspired one is ready.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from server.lifecycle.states import State

_BUSY = frozenset({State.LOADING, State.WARMING, State.DRAINING, State.UNLOADING})


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One version as the policy sees it."""

    version: int
    state: State
    aspired: bool


@dataclass(frozen=True, slots=True)
class Load:
    """Load this version now."""

    version: int


@dataclass(frozen=True, slots=True)
class Unload:
    """Drain this version and end its workers now."""

    version: int


Action = Load | Unload


def next_action(snapshots: Sequence[Snapshot]) -> Action | None:
    """The next action for one model, or None while something runs or nothing is left to do."""
    if any(snapshot.state in _BUSY for snapshot in snapshots):
        return None
    wanted = [s.version for s in snapshots if s.aspired and s.state is State.NEW]
    if wanted:
        return Load(max(wanted))
    aspired_ready = any(s.aspired and s.state is State.READY for s in snapshots)
    anything_aspired = any(s.aspired for s in snapshots)
    stale = [s.version for s in snapshots if not s.aspired and s.state is State.READY]
    if stale and (aspired_ready or not anything_aspired):
        return Unload(min(stale))
    return None


def default_version(snapshots: Sequence[Snapshot]) -> int | None:
    """The version a request without one gets: the newest ready, aspired ones first."""
    ready = [s for s in snapshots if s.state is State.READY]
    if not ready:
        return None
    return max(ready, key=lambda s: (s.aspired, s.version)).version
