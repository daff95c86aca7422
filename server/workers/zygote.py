"""The gateway's handle on a zygote: one process per runtime that forks workers on demand."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import signal
import socket
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import structlog

import runtimes
from runtimes.contract.messages import ProtocolError
from runtimes.contract.spawn import (
    MAX_PACKET,
    Exited,
    Fork,
    Forked,
    ForkFailed,
    Imported,
    ImportFailed,
    decode_packet,
    encode_packet,
)
from server.cpus import available_cpus
from server.errors import Unavailable
from server.workers.output import OutputReader

log = structlog.get_logger()

ENTRY = Path(runtimes.__file__).parent / "__main__.py"
EXTRAS = {"torchscript": "torch", "savedmodel": "tensorflow", "onnx": "onnx"}

_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")

ExitCallback = Callable[[int], None]


class Zygote:
    """One runtime's zygote, started when first needed and again after it died."""

    def __init__(self, runtime: str, python: str, import_timeout: float) -> None:
        self.runtime = runtime
        self._python = python
        self._import_timeout = import_timeout
        self._process: asyncio.subprocess.Process | None = None
        self._control: socket.socket | None = None
        self._imported: asyncio.Future[None] | None = None
        self._forks: dict[str, tuple[asyncio.Future[int], ExitCallback]] = {}
        self._exits: dict[int, ExitCallback] = {}
        self._numbers = itertools.count(1)
        self._starting = asyncio.Lock()

    async def fork(
        self, name: str, context: dict[str, str | int], exited: ExitCallback
    ) -> tuple[int, socket.socket]:
        """A new worker's pid and the gateway's end of its socket.

        `context` goes with every line it prints; `exited` is called with its exit status (negative
        for a signal). Raises Unavailable where the framework cannot be imported.
        """
        await self._ensure_started()
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        log_fd = await OutputReader.open(context)
        try:
            pid = await self._ask(name, theirs.fileno(), log_fd, exited)
        except BaseException:
            ours.close()
            raise
        finally:
            theirs.close()
            os.close(log_fd)
        return pid, ours

    async def begin(self) -> None:
        """Start the process without waiting for its imports. Raises Unavailable."""
        async with self._starting:
            if self._control is None:
                await self._start()

    async def stop(self) -> None:
        """Close the control socket, which ends the zygote; kill it if it does not go, and at once
        while it imports and would not notice.
        """
        if self._process is not None and self._imported is not None and not self._imported.done():
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()
        self._drop()
        if self._process is not None:
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._process.wait(), 5)
            if self._process.returncode is None:
                self._process.kill()
                await self._process.wait()

    async def _ask(self, name: str, worker_fd: int, log_fd: int, exited: ExitCallback) -> int:
        if self._control is None:
            raise self._gone()
        future: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        # A name may come twice, from a load that was given up and the next one of that version.
        key, control, process = f"{name}~{next(self._numbers)}", self._control, self._process
        self._forks[key] = (future, exited)
        try:
            socket.send_fds(control, [encode_packet(Fork(key))], [worker_fd, log_fd])
            async with asyncio.timeout(self._import_timeout):
                return await future
        except TimeoutError:
            if process is not None and control is self._control:
                log.error("zygote is hung; killing it", runtime=self.runtime)
                with contextlib.suppress(ProcessLookupError):
                    process.kill()
                self._drop()  # now, so that the next fork does not ask the dead one
            raise
        except OSError as error:  # it died just now, or more is asked of it than fits
            raise Unavailable(f"{self._gone()} ({error.strerror})") from None
        finally:
            self._forks.pop(key, None)

    async def _ensure_started(self) -> None:
        await self.begin()
        if self._imported is not None:
            await asyncio.shield(self._imported)

    async def _start(self) -> None:
        loop = asyncio.get_running_loop()
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.setblocking(False)
        log_fd = await OutputReader.open({"runtime": self.runtime})
        try:
            # -P: the folder of the script must not shadow packages of the same name (onnx).
            self._process = await asyncio.create_subprocess_exec(
                self._python, "-P", "-u", str(ENTRY), self.runtime, str(theirs.fileno()),
                pass_fds=(theirs.fileno(),), stdin=asyncio.subprocess.DEVNULL,
                stdout=log_fd, stderr=log_fd, env=runtime_environment(), start_new_session=True,
            )  # fmt: skip
        except OSError as error:
            ours.close()
            raise Unavailable(
                f"the interpreter set for runtime '{self.runtime}' cannot be started: "
                f"{error.strerror}. Check runtimes.{self.runtime}.python"
            ) from None
        finally:
            theirs.close()
            os.close(log_fd)
        self._control = ours
        self._imported = loop.create_future()
        loop.add_reader(ours, self._readable)
        loop.call_later(self._import_timeout, self._import_overdue, self._imported)

    def _readable(self) -> None:
        if self._control is None:
            return
        try:
            data = self._control.recv(MAX_PACKET)
        except BlockingIOError:
            return
        except ConnectionError:
            data = b""
        if data:
            self._receive(data)
        else:
            self._died()

    def _receive(self, data: bytes) -> None:
        match decode_packet(data):
            case Imported():
                self._settle(None)
            case ImportFailed(reason=reason):
                self._settle(self._cannot_import(reason))
            case Forked(name=name, pid=pid):
                future, exited = self._forks.get(name, (None, None))
                if future is not None and exited is not None and not future.done():
                    # At once: the next packet may already say that it exited.
                    self._exits[pid] = exited
                    future.set_result(pid)
                else:
                    kill(pid)
            case ForkFailed(name=name, reason=reason):
                future, _ = self._forks.get(name, (None, None))
                if future is not None and not future.done():
                    future.set_exception(Unavailable(f"no worker process: {reason}"))
            case Exited(pid=pid, status=status):
                if callback := self._exits.pop(pid, None):
                    callback(status)
            case other:
                raise ProtocolError(f"unexpected {type(other).__name__} from a zygote")

    def _died(self) -> None:
        log.warning("zygote exited", runtime=self.runtime)
        self._drop()

    def _drop(self) -> None:
        """Forget a zygote that is gone; its workers live on and end by their own sockets."""
        if self._control is None:
            return
        asyncio.get_running_loop().remove_reader(self._control)
        self._control.close()
        self._control = None
        self._settle(self._gone())
        for future, _ in self._forks.values():
            if not future.done():
                future.set_exception(self._gone())
        self._exits.clear()

    def _settle(self, error: Unavailable | None) -> None:
        if self._imported is None or self._imported.done():
            return
        if error is None:
            self._imported.set_result(None)
        else:
            self._imported.set_exception(error)
            self._imported.exception()  # retrieved: nobody need be waiting

    def _import_overdue(self, imported: asyncio.Future[None]) -> None:
        if not imported.done() and imported is self._imported:
            self._settle(self._cannot_import(f"not imported within {self._import_timeout:g} s"))
            if self._process is not None:
                self._process.kill()

    def _gone(self) -> Unavailable:
        return Unavailable(f"the zygote of runtime '{self.runtime}' is gone; try again")

    def _cannot_import(self, reason: str) -> Unavailable:
        extra = EXTRAS.get(self.runtime)
        hint = f"install underway[{extra}], or " if extra else ""
        return Unavailable(
            f"runtime '{self.runtime}' cannot start: {reason}. To fix it, {hint}set "
            f"runtimes.{self.runtime}.python to an interpreter that has its framework"
        )


class Zygotes:
    """One zygote per runtime."""

    def __init__(self, pythons: Mapping[str, str], import_timeout: float) -> None:
        self._pythons = pythons
        self._import_timeout = import_timeout
        self._zygotes: dict[str, Zygote] = {}

    def of(self, runtime: str) -> Zygote:
        """The zygote for `runtime`, not necessarily started."""
        if runtime not in self._zygotes:
            python = self._pythons.get(runtime, sys.executable)
            self._zygotes[runtime] = Zygote(runtime, python, self._import_timeout)
        return self._zygotes[runtime]

    async def begin(self, runtimes: Iterable[str]) -> None:
        """Start those of `runtimes`; one that cannot be started is tried again when it is asked."""
        starting = [self.of(runtime).begin() for runtime in runtimes]
        await asyncio.gather(*starting, return_exceptions=True)

    async def stop(self) -> None:
        """Stop all of them."""
        await asyncio.gather(*(zygote.stop() for zygote in self._zygotes.values()))


def kill(pid: int) -> None:
    """End a process that no longer matters; it may be gone already."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def runtime_environment() -> dict[str, str]:
    """The gateway's environment, less what would mix its packages into another interpreter's."""
    own = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    # What models may use is set for each framework when a worker loads (`threads`). This is for the
    # numerical libraries below them, which would else start a thread per CPU of the host.
    threads = dict.fromkeys(_THREADS, str(available_cpus()))
    # Else ONNX Runtime starts a thread and opens a database when it is imported; neither survives
    # a fork.
    return {"ORT_DISABLE_TELEMETRY": "1", **threads, **own}
