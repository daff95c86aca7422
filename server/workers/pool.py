"""The workers of one version: started together, chosen by load, replaced when they die."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace

import structlog

from runtimes.contract.messages import ModelSpec, Ready, Result
from runtimes.contract.tensor import Tensor
from server.errors import Overloaded, Unavailable
from server.workers.supervision import (
    WINDOW,
    HeartbeatLimits,
    is_crash_loop,
    recent,
    restart_delay,
)
from server.workers.worker import LoadError, Worker
from server.workers.zygote import Zygotes

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class PoolLimits:
    """Bounds on every pool: in flight per worker, message size, load and stop time in seconds,
    and how long a worker may be silent or busy.
    """

    max_in_flight: int
    max_message_bytes: int
    load_timeout: float
    stop_grace: float
    heartbeat: HeartbeatLimits = field(default_factory=HeartbeatLimits)


class WorkerPool:
    """All workers of one version; `ready` holds those that can be asked."""

    def __init__(
        self,
        spec: ModelSpec,
        devices: tuple[str, ...],
        zygotes: Zygotes,
        limits: PoolLimits,
        unchanged: Callable[[], Awaitable[bool]] | None = None,
        restarted: Callable[[str], None] = lambda reason: None,
    ) -> None:
        """`restarted` is called with Worker.ending of each worker that is replaced."""
        self._restarted = restarted
        self._unchanged = unchanged
        self._spec = spec
        self._devices = devices
        self._zygote = zygotes.of(spec.runtime)
        self._limits = limits
        self._ready: list[Worker] = []
        self._restarts: set[asyncio.Task[None]] = set()
        self._stopping = False
        self._started = 0
        self._deaths: list[float] = []
        self._monitor: asyncio.Task[None] | None = None
        self._changed = False
        self._trouble = ""
        self._joined: Callable[[Worker], None] = lambda worker: None
        self._troubled: Callable[[str], None] = lambda text: None

    @property
    def trouble(self) -> str:
        """Why there are too few workers, "" where all is well."""
        return self._trouble

    @trouble.setter
    def trouble(self, text: str) -> None:
        if text != self._trouble:
            self._trouble = text
            self._troubled(text)

    @property
    def is_ready(self) -> bool:
        """True while at least one worker can be asked."""
        return bool(self._ready)

    @property
    def workers(self) -> Sequence[Worker]:
        """Those that can be asked."""
        return tuple(self._ready)

    def watch(self, joined: Callable[[Worker], None], troubled: Callable[[str], None]) -> None:
        """Call `joined` with each worker that takes the place of another, and `troubled` with why
        there are too few, "" when all is well again.
        """
        self._joined, self._troubled = joined, troubled

    @property
    def pids(self) -> list[int]:
        """Process ids of the ready workers."""
        return [worker.pid for worker in self._ready]

    async def start(self, warming: Callable[[], None] = lambda: None) -> Ready:
        """Start one worker per device; all must load. Raises LoadError with the first reason.

        `warming` is called when a worker has loaded and begins to warm up.
        """
        starting = [
            asyncio.ensure_future(self._start_one(device, warming)) for device in self._devices
        ]
        try:
            ready = (await asyncio.gather(*starting))[0]
        except BaseException:
            # Shielded: a load given up while it fails must not leave a worker behind.
            await asyncio.shield(self._give_up(starting))
            raise
        self._monitor = asyncio.ensure_future(self._watch_over())
        return ready

    async def infer(
        self,
        inputs: tuple[Tensor, ...],
        outputs: tuple[str, ...],
        deadline_ns: int,
        priority: int = 0,
        signature: str = "",
    ) -> Result:
        """The answer of the least loaded worker; Overloaded when all are at their bound."""
        if not self._ready:
            raise Unavailable(
                f"'{self._spec.model}' version {self._spec.version} is not at ready state: "
                f"{self.trouble or 'its worker is being restarted'}",
                retry_after=1.0,
            )
        worker = min(self._ready, key=_load_of) if len(self._ready) > 1 else self._ready[0]
        if worker.in_flight >= self._limits.max_in_flight:
            raise Overloaded(
                f"Exceeds maximum queue size: {worker.in_flight} requests in flight for "
                f"'{self._spec.model}', max_in_flight is {self._limits.max_in_flight}",
                retry_after=1.0,
            )
        return await worker.infer(inputs, outputs, deadline_ns, priority, signature)

    async def stop(self) -> None:
        """Let every worker finish what it has, then end them all."""
        self._stopping = True
        if self._monitor is not None:
            self._monitor.cancel()
        for task in self._restarts:
            task.cancel()
        await asyncio.gather(*self._restarts, return_exceptions=True)
        workers, self._ready = self._ready, []
        await asyncio.gather(*(worker.stop(self._limits.stop_grace) for worker in workers))

    async def _give_up(self, starting: Sequence[asyncio.Task[Ready]]) -> None:
        for task in starting:
            task.cancel()
        await asyncio.gather(*starting, return_exceptions=True)
        await self.stop()

    async def _start_one(self, device: str, warming: Callable[[], None] = lambda: None) -> Ready:
        self._started += 1
        name = f"{self._spec.model}/{self._spec.version}#{self._started}"
        worker = Worker(name)
        most = self._limits.max_message_bytes
        spec = replace(self._spec, device=device, max_answer_bytes=most)
        ready = await worker.start(self._zygote, spec, most, self._limits.load_timeout, warming)
        worker.watch(lambda lost: self._replace(lost, device))
        self._ready.append(worker)
        self._joined(worker)
        return ready

    def _replace(self, lost: Worker, device: str) -> None:
        if self._stopping:
            return
        self._ready.remove(lost)
        log.error("worker died; restarting it", model=self._spec.model, worker=lost.name,
                  version=self._spec.version, pid=lost.pid)  # fmt: skip
        task = asyncio.ensure_future(self._restart(device))
        counting = asyncio.ensure_future(self._count(lost))
        for one in (task, counting):
            self._restarts.add(one)
            one.add_done_callback(self._restarts.discard)

    async def _count(self, lost: Worker) -> None:
        self._restarted(await lost.ending())

    async def _restart(self, device: str) -> None:
        while True:
            await asyncio.sleep(self._pause())
            try:
                if self._unchanged is not None and not await self._unchanged():
                    # One version must not answer from two contents.
                    self._changed = True
                    self.trouble = "its files changed since it was loaded; publish a new version"
                    raise LoadError(self.trouble, "artifact")
                await self._start_one(device)
            except (LoadError, OSError) as error:  # OSError: out of descriptors, for a while
                log.error("worker did not come back", model=self._spec.model,
                          version=self._spec.version, reason=str(error))  # fmt: skip
            else:
                self.trouble, self._changed = "", False
                log.info("worker is back", model=self._spec.model, version=self._spec.version)
                return

    def _pause(self) -> float:
        """Note one more death; seconds to wait before the next start."""
        now = asyncio.get_running_loop().time()
        self._deaths = [*recent(self._deaths, now), now]
        delay = restart_delay(len(self._deaths))
        if is_crash_loop(len(self._deaths)) and not self._changed:
            self.trouble = (
                f"its worker died {len(self._deaths)} times within {WINDOW:g} s; "
                f"next start in {delay:g} s"
            )
            log.error("worker crash loop", model=self._spec.model, version=self._spec.version,
                      deaths=len(self._deaths), next_start_s=delay)  # fmt: skip
        return delay

    async def _watch_over(self) -> None:
        """Kill workers that are hung; their death is then handled like any other."""
        interval = self._limits.heartbeat.interval_s
        loop = asyncio.get_running_loop()
        while True:
            slept_from = loop.time()
            await asyncio.sleep(interval)
            if loop.time() - slept_from > 2 * interval:
                # It was this process that stood still: give the workers time to be heard.
                self._ping_all()
                continue
            for worker in list(self._ready):
                if complaint := worker.complaint(self._limits.heartbeat):
                    log.error("worker is hung; killing it", worker=worker.name, pid=worker.pid,
                              reason=complaint)  # fmt: skip
                    worker.kill_hung()
            self._ping_all()

    def _ping_all(self) -> None:
        for worker in self._ready:
            worker.ping()


def _load_of(worker: Worker) -> int:
    return worker.in_flight
