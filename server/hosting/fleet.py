"""Starts frontend processes, replaces those that die or hang, and ends them in good order."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Callable, Sequence

import structlog

from server.hosting.door import Session
from server.workers.supervision import recent, restart_delay

log = structlog.get_logger()

WATCH_EVERY = 1.0
EXIT_WAIT = 5.0


class FrontendStartError(Exception):
    """A frontend did not come up when the server started; the text says how it ended."""


class FrontendFleet:
    """`count` processes of one command; each is to come to the door under its own pid.

    `silence` is how many seconds one may not be heard of before it counts as hung; `replacing` is
    told why one went that is replaced: `hung`, `signal` or `exit`.
    """

    def __init__(
        self,
        command: Sequence[str],
        environment: dict[str, str],
        count: int,
        silence: float,
        replacing: Callable[[str], None] = lambda reason: None,
    ) -> None:
        self._command = command
        self._environment = {**os.environ, **environment}
        self._count = count
        self._silence = silence
        self._replacing = replacing
        self._hung: set[int] = set()
        self._processes: dict[int, asyncio.subprocess.Process] = {}
        self._sessions: dict[int, Session] = {}
        self._keepers: list[asyncio.Task[None]] = []
        self._watcher: asyncio.Task[None] | None = None
        self._stopping = False
        self._up = asyncio.Event()
        self._failed_start: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    async def start(self, timeout: float) -> None:
        """Start all, and return when all of them answer clients. Raises FrontendStartError."""
        self._keepers = [asyncio.ensure_future(self._keep()) for _ in range(self._count)]
        self._watcher = asyncio.ensure_future(self._watch_over())
        up = asyncio.ensure_future(self._all_up())
        try:
            await asyncio.wait(
                (up, self._failed_start), timeout=timeout, return_when=asyncio.FIRST_COMPLETED
            )
        finally:
            up.cancel()
        if self._failed_start.done():
            raise FrontendStartError(
                f"a frontend ended with exit code {self._failed_start.result()}"
            )
        if not self._up.is_set():
            raise FrontendStartError(f"not all frontends came up within {timeout:g} s")

    def came(self, session: Session) -> None:
        """A frontend has come to the door."""
        self._sessions[session.pid] = session

    def went(self, session: Session) -> None:
        """It has lost its connection, which is the end of it."""
        self._sessions.pop(session.pid, None)

    async def stop(self, grace: float) -> None:
        """Let every frontend finish what it has for `grace` seconds, then end those left."""
        self._stopping = True
        if self._watcher is not None:
            self._watcher.cancel()
        for session in self._sessions.values():
            session.stop()
        for pid, process in list(self._processes.items()):
            if pid not in self._sessions:
                _kill(process)
        if self._keepers:
            _, late = await asyncio.wait(self._keepers, timeout=grace + EXIT_WAIT)
            if late:
                log.warning("frontends killed: they did not stop in time", frontends=len(late))
            for process in list(self._processes.values()):
                _kill(process)
            await asyncio.gather(*self._keepers, return_exceptions=True)

    async def _keep(self) -> None:
        """Have one frontend running until the fleet stops."""
        deaths: list[float] = []
        loop = asyncio.get_running_loop()
        while True:
            try:
                code, pid = await self._run_one()
            except OSError as error:  # out of processes or descriptors, for a while
                log.error("no frontend process", reason=error.strerror)
                code, pid = -1, 0
            if self._stopping:
                return
            if not self._up.is_set():
                if not self._failed_start.done():
                    self._failed_start.set_result(code)
                return
            deaths = [*recent(deaths, loop.time()), loop.time()]
            delay = restart_delay(len(deaths))
            self._replacing(self._reason(code, pid))
            log.error("frontend died; replacing it", pid=pid, exit=code, next_start_s=delay)
            await asyncio.sleep(delay)

    def _reason(self, code: int, pid: int) -> str:
        if pid in self._hung:
            self._hung.discard(pid)
            return "hung"
        return "signal" if code < 0 and pid else "exit"

    async def _run_one(self) -> tuple[int, int]:
        """Start a frontend and wait for its end; exit code and pid."""
        process = await asyncio.create_subprocess_exec(
            *self._command, env=self._environment, start_new_session=True,
            stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.DEVNULL,
        )  # fmt: skip
        self._processes[process.pid] = process
        try:
            return await process.wait(), process.pid
        finally:
            self._processes.pop(process.pid, None)

    async def _all_up(self) -> None:
        while sum(one.listening.is_set() for one in self._sessions.values()) < self._count:
            await asyncio.sleep(0.01)
        self._up.set()

    async def _watch_over(self) -> None:
        """Kill frontends that are hung; their death is then handled like any other."""
        loop = asyncio.get_running_loop()
        while True:
            slept_from = loop.time()
            await asyncio.sleep(WATCH_EVERY)
            late = loop.time() - slept_from - WATCH_EVERY
            for pid, session in list(self._sessions.items()):
                # It may be this process that stood still: what came meanwhile is not read yet.
                session.heard_at += max(0.0, late)
                silent = loop.time() - session.heard_at
                if session.listening.is_set() and silent > self._silence:
                    log.error("frontend is hung; killing it", pid=pid, silent_s=round(silent, 1))
                    if pid in self._processes:
                        self._hung.add(pid)
                        _kill(self._processes[pid])


def _kill(process: asyncio.subprocess.Process) -> None:
    with contextlib.suppress(ProcessLookupError):
        process.kill()
