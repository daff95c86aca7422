"""One worker as the gateway sees it: started, ready, asked, stopped."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import time
from collections.abc import Callable

import structlog

from runtimes.contract.frames import frame
from runtimes.contract.messages import (
    Connect,
    LoadFailed,
    ModelSpec,
    Profile,
    Profiled,
    Ready,
    Result,
)
from runtimes.contract.tensor import Tensor
from server.errors import Unavailable
from server.workers.connection import DIED_LOADING, WorkerConnection
from server.workers.supervision import HeartbeatLimits
from server.workers.zygote import Zygote

log = structlog.get_logger()

EXIT_WAIT = 5.0
STATUS_WAIT = 1.0


class LoadError(Exception):
    """A version could not be loaded; the text is for the person who published it.

    `kind` is one word for the metrics: `artifact` (what the repository holds), `memory`, `start`
    (no worker process), `timeout`, `died`, `model` (the runtime refused it) or `internal`.
    """

    def __init__(self, reason: str, kind: str = "model") -> None:
        super().__init__(reason)
        self.kind = kind


class Worker:
    """One process that serves one version. Made by `start_worker`."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.pid = 0
        self.ready: Ready | None = None
        self.started_at = 0.0
        self._hung = False
        self.exited = asyncio.Event()
        self._pidfd = -1
        self._control: socket.socket | None = None
        self._status: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._connection: WorkerConnection | None = None
        self._on_lost: Callable[[Worker], None] | None = None

    @property
    def in_flight(self) -> int:
        """Requests sent to this worker and not yet ended."""
        return self._connection.in_flight if self._connection else 0

    async def infer(
        self,
        inputs: tuple[Tensor, ...],
        outputs: tuple[str, ...],
        deadline_ns: int,
        priority: int = 0,
        signature: str = "",
    ) -> Result:
        """The worker's answer; see WorkerConnection.infer."""
        if self._connection is None:
            raise Unavailable("the model's worker is not running; send the request again")
        return await self._connection.infer(inputs, outputs, deadline_ns, priority, signature)

    async def start(
        self,
        zygote: Zygote,
        spec: ModelSpec,
        max_message_bytes: int,
        load_timeout: float,
        warming: Callable[[], None] = lambda: None,
    ) -> Ready:
        """Fork, load, warm up (`warming` is called between), and wait until ready.

        Raises LoadError with the reason.
        """
        context: dict[str, str | int] = {"model": spec.model, "version": spec.version}
        try:
            self.pid, sock = await zygote.fork(self.name, context, self._note_exit)
        except (TimeoutError, Unavailable) as error:
            reason = str(error) or "the worker process did not start in time"
            raise LoadError(reason, "start") from None
        self.started_at = time.time()
        self._watch_process()
        self._control = sock.dup()  # descriptors cannot be sent through a transport
        self._control.setblocking(False)
        self._connection = await WorkerConnection.open(
            sock, self.name, max_message_bytes, warming, self._note_loss
        )
        try:
            self.ready = await self._load(self._connection, spec, load_timeout)
        except BaseException:
            # Its memory is free, and another version may count on that, when the process is gone.
            await asyncio.shield(self._end())
            raise
        return self.ready

    async def _load(
        self, connection: WorkerConnection, spec: ModelSpec, load_timeout: float
    ) -> Ready:
        connection.load(spec)
        try:
            async with asyncio.timeout(load_timeout):
                outcome = await asyncio.shield(connection.loaded)
        except TimeoutError:
            reason = f"not loaded within load_timeout ({load_timeout:g} s)"
            raise LoadError(reason, "timeout") from None
        if isinstance(outcome, LoadFailed):
            kind = "died" if outcome is DIED_LOADING else "model"
            raise LoadError(await self._explain(outcome), kind)
        if connection.is_lost:  # in the very moment it got ready
            raise LoadError(DIED_LOADING.reason, "died")
        return outcome

    async def _end(self) -> None:
        """Kill the process and wait until it is gone."""
        self.kill()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(EXIT_WAIT):
                await self.exited.wait()
        if self._connection is not None:
            self._connection.close()

    def connect(self) -> socket.socket:
        """A new socket to the worker, for requests and answers alone. Raises OSError."""
        if self._control is None or self.exited.is_set():
            raise ConnectionRefusedError("the worker is gone")
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        with theirs:
            try:
                data = b"".join(frame(Connect()))
                if socket.send_fds(self._control, [data], [theirs.fileno()]) != len(data):
                    raise BlockingIOError("the worker does not read")
            except OSError:
                ours.close()
                raise
        return ours

    async def profile(self, asked: Profile) -> Profiled:
        """See WorkerConnection.profile."""
        if self._connection is None:
            raise Unavailable("the model's worker is not running")
        return await self._connection.profile(asked)

    def watch(self, on_lost: Callable[[Worker], None]) -> None:
        """Call `on_lost` when the worker dies without having been stopped."""
        self._on_lost = on_lost

    def ping(self) -> None:
        """Ask for a sign of life."""
        if self._connection is not None:
            self._connection.ping()

    def complaint(self, limits: HeartbeatLimits) -> str:
        """Why this worker must be taken for hung, "" where it seems well."""
        if self._connection is None or self.exited.is_set():
            return ""
        return limits.complaint(self._connection.silent_s, self._connection.busy_s)

    async def stop(self, grace: float) -> None:
        """Let the worker finish its queue; kill it after `grace` seconds."""
        self._on_lost = None
        if self._connection is None:
            return
        self._connection.stop()
        try:
            await asyncio.wait_for(self.exited.wait(), grace)
        except TimeoutError:
            log.warning("worker killed: it did not stop in time", worker=self.name, grace=grace)
            self.kill()
        self._connection.close()

    def kill_hung(self) -> None:
        """End a process that does not answer any more."""
        self._hung = True
        self.kill()

    async def ending(self) -> str:
        """In one word how the process ended: `hung`, `signal` or `exit`."""
        if self._hung:
            return "hung"
        # The exit status comes by way of the zygote, a moment after the end of file.
        await asyncio.wait({self._status}, timeout=STATUS_WAIT)
        return "signal" if self._status.done() and self._status.result() < 0 else "exit"

    def kill(self) -> None:
        """End the process at once."""
        if not self.exited.is_set():
            # By descriptor: a pid may belong to another process by now.
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._pidfd, signal.SIGKILL)

    async def _explain(self, outcome: LoadFailed) -> str:
        """Add how the process ended where it died instead of answering."""
        if outcome is not DIED_LOADING:
            return outcome.reason
        await asyncio.wait({self._status}, timeout=STATUS_WAIT)
        status = self._status.result() if self._status.done() else 0
        if status == 0:
            return outcome.reason
        if status > 0:
            return f"{outcome.reason} (exit {status})"
        name = signal.Signals(-status).name
        hint = "; it may have run out of memory" if -status == signal.SIGKILL else ""
        return f"{outcome.reason} ({name}{hint})"

    def _watch_process(self) -> None:
        """Learn of the process's end from the kernel, whether or not its zygote still lives."""
        try:
            self._pidfd = os.pidfd_open(self.pid)
        except ProcessLookupError:
            self.exited.set()
            return
        asyncio.get_running_loop().add_reader(self._pidfd, self._note_end)

    def _note_end(self) -> None:
        asyncio.get_running_loop().remove_reader(self._pidfd)
        os.close(self._pidfd)
        self._pidfd = -1
        if self._control is not None:
            self._control.close()
            self._control = None
        self.exited.set()

    def _note_exit(self, status: int) -> None:
        if not self._status.done():
            self._status.set_result(status)

    def _note_loss(self) -> None:
        # A worker whose socket is closed is of no use; make sure it is gone.
        self.kill()
        if self._on_lost is not None:
            self._on_lost(self)
