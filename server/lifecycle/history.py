"""What happened to every model version: a bounded log, each entry also logged and counted."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import structlog

from server.lifecycle.states import State

log = structlog.get_logger()

CAPACITY = 2000

_EVENTS = {
    State.LOADING: "loading",
    State.READY: "ready",
    State.FAILED: "failed to load",
    State.DRAINING: "draining",
    State.ENDED: "unloaded",
}


@dataclass(frozen=True, slots=True)
class Transition:
    """A version went from `source` to `target` at `time` (Unix seconds).

    `seconds` is how long it had been in `source`, `cause` who or what asked for the version to be
    loaded or unloaded, `reason` what went wrong where something did, and `kind` that in one word
    (workers.worker.LoadError has the list).
    """

    time: float
    model: str
    version: int
    source: State
    target: State
    seconds: float
    reason: str = ""
    cause: str = ""
    kind: str = ""


class TransitionMeter(Protocol):
    """What counts transitions."""

    def transition(
        self, model: str, version: int, source: str, target: str, seconds: float, kind: str = ""
    ) -> None:
        """Count one, `seconds` having been spent in `source`; `kind` of a failure."""


class History:
    """The last transitions of all models."""

    def __init__(self, meter: TransitionMeter, capacity: int = CAPACITY) -> None:
        self._meter = meter
        self._entries: deque[Transition] = deque(maxlen=capacity)

    def record(self, entry: Transition, details: dict[str, str | float]) -> None:
        """Keep, count and log one transition; `details` only go into the log."""
        self._entries.append(entry)
        self._meter.transition(
            entry.model, entry.version, entry.source.value, entry.target.value, entry.seconds,
            entry.kind,
        )  # fmt: skip
        if event := _EVENTS.get(entry.target):
            extra = {"reason": entry.reason} if entry.reason else {}
            level = log.error if entry.target is State.FAILED else log.info
            level(event, model=entry.model, version=entry.version, cause=entry.cause,
                  **extra, **details)  # fmt: skip

    def entries(self, model: str = "", limit: int = CAPACITY) -> Sequence[Transition]:
        """The newest `limit` transitions, oldest first; of one model where it is named."""
        found = [entry for entry in self._entries if model in ("", entry.model)]
        return found[-limit:] if limit > 0 else []
