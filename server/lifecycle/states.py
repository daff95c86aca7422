"""The states of a model version and every legal move between them: the table is all there is."""

from __future__ import annotations

from enum import StrEnum


class State(StrEnum):
    """Where a version is in its life."""

    NEW = "NEW"
    LOADING = "LOADING"
    WARMING = "WARMING"
    READY = "READY"
    DRAINING = "DRAINING"
    UNLOADING = "UNLOADING"
    ENDED = "ENDED"
    FAILED = "FAILED"


LEGAL: dict[State, frozenset[State]] = {
    State.NEW: frozenset({State.LOADING, State.ENDED}),
    State.LOADING: frozenset({State.WARMING, State.READY, State.FAILED, State.UNLOADING}),
    State.WARMING: frozenset({State.READY, State.FAILED, State.UNLOADING}),
    State.READY: frozenset({State.DRAINING}),
    State.DRAINING: frozenset({State.UNLOADING}),
    State.UNLOADING: frozenset({State.ENDED}),
    State.FAILED: frozenset({State.NEW, State.ENDED}),
    State.ENDED: frozenset(),
}


class IllegalMove(Exception):
    """A version was moved against the table. This is a bug."""


def move(current: State, target: State) -> State:
    """`target`, if it may follow `current`; raises IllegalMove otherwise."""
    if target not in LEGAL[current]:
        raise IllegalMove(f"{current} -> {target} is not a legal move. This is a bug.")
    return target
