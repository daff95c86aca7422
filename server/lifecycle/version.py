"""One load of one version of one model: its state, its workers, and who is using it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from types import TracebackType

from runtimes.contract.messages import Ready, Result
from server.errors import Unavailable
from server.inference import InferenceRequest
from server.lifecycle.history import Transition
from server.lifecycle.states import State, move
from server.repository.settings import ModelSettings
from server.telemetry.recorder import VersionRecorder
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
        self.runtime = ""
        self.attempts = 0
        self.retry_at: float | None = None
        self.task: asyncio.Task[None] | None = None
        self.pool: WorkerPool | None = None
        self.ready: Ready | None = None
        self.recorder: VersionRecorder | None = None
        self._moved = moved
        self._since = time.monotonic()
        self._in_flight = 0
        self._idle = asyncio.Event()
        self._idle.set()

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

    @property
    def in_flight(self) -> int:
        """Handles taken and not yet given back."""
        return self._in_flight

    async def drained(self) -> None:
        """Return once no handle is held."""
        await self._idle.wait()

    def take(self) -> None:
        """Count one more user."""
        self._in_flight += 1
        self._idle.clear()

    def give_back(self) -> None:
        """Count one user less."""
        self._in_flight -= 1
        if self._in_flight == 0:
            self._idle.set()


class Handle:
    """A lease on a READY version: while it is held the version's workers are not stopped."""

    __slots__ = ("_version", "pool", "ready", "recorder")

    def __init__(self, version: ModelVersion) -> None:
        if version.pool is None or version.ready is None or version.recorder is None:
            raise Unavailable(not_ready(version.settings.name, version.version))
        self._version = version
        self.pool = version.pool
        self.ready = version.ready
        self.recorder = version.recorder

    @property
    def version(self) -> int:
        """The concrete version number."""
        return self._version.version

    def __enter__(self) -> Handle:
        self._version.take()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._version.give_back()

    async def infer(self, request: InferenceRequest) -> Result:
        """Send `request`, already checked, to one of the version's workers."""
        return await self.pool.infer(request.inputs, request.outputs, request.deadline_ns)


def not_ready(model: str, version: int) -> str:
    """What a client is told of a version that is known but cannot answer."""
    return f"'{model}' version {version} is not at ready state"
