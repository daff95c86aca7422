"""One load of one version of one model: its state and its workers."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from runtimes.contract.messages import Ready
from server.lifecycle.history import Transition
from server.lifecycle.states import State, move
from server.repository.settings import ModelSettings
from server.workers.pool import WorkerPool


class ModelVersion:
    """A version's life; only the lifecycle manager moves it."""

    def __init__(
        self,
        id: int,
        settings: ModelSettings,
        version: int,
        cause: str,
        moved: Callable[[ModelVersion, Transition], None],
    ) -> None:
        self.id = id
        self.settings = settings
        self.version = version
        self.state = State.NEW
        self.reason = ""
        self.cause = cause
        self.wanted = True
        self.leaving = False
        self.runtime = ""
        self.attempts = 0
        self.retry_at: float | None = None
        self.task: asyncio.Task[None] | None = None
        self.pool: WorkerPool | None = None
        self.ready: Ready | None = None
        self._moved = moved
        self._since = time.monotonic()

    @property
    def seconds_in_state(self) -> float:
        """How long it has been in its state."""
        return time.monotonic() - self._since

    @property
    def phase(self) -> State:
        """Its state as decisions see it: what is about to leave counts as DRAINING already."""
        return State.DRAINING if self.leaving and self.state is State.READY else self.state

    @property
    def serves(self) -> bool:
        """True where routes may lead here."""
        return self.phase is State.READY

    def move(self, target: State, reason: str = "", kind: str = "") -> None:
        """Go to `target`; raises IllegalMove against the table. `kind` is `reason` in one word."""
        source, self.state, self.reason = self.state, move(self.state, target), reason
        now = time.monotonic()
        seconds, self._since = now - self._since, now
        transition = Transition(
            time=time.time(), model=self.settings.name, version=self.version, source=source,
            target=target, seconds=seconds, reason=reason, cause=self.cause, kind=kind,
        )  # fmt: skip
        self._moved(self, transition)
