"""The workers of one version: started together, chosen by load, replaced when they die."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace

import structlog

from runtimes.contract.messages import ModelSpec, Ready, Result
from runtimes.contract.tensor import Tensor
from server.errors import Overloaded, Unavailable
from server.workers.worker import LoadError, Worker
from server.workers.zygote import Zygotes

log = structlog.get_logger()

FIRST_RESTART_DELAY = 0.05
MAX_RESTART_DELAY = 30.0
STABLE_AFTER = 10.0
"""A worker that lived this long (seconds) is restarted without delay again."""


@dataclass(frozen=True, slots=True)
class PoolLimits:
    """Bounds on every pool: in flight per worker, message size, load and stop time in seconds."""

    max_in_flight: int
    max_message_bytes: int
    load_timeout: float
    stop_grace: float


class WorkerPool:
    """All workers of one version; `ready` holds those that can be asked."""

    def __init__(self, spec: ModelSpec, devices: tuple[str, ...], zygotes: Zygotes,
                 limits: PoolLimits) -> None:  # fmt: skip
        self._spec = spec
        self._devices = devices
        self._zygote = zygotes.of(spec.runtime)
        self._limits = limits
        self._ready: list[Worker] = []
        self._restarts: set[asyncio.Task[None]] = set()
        self._stopping = False
        self._started = 0

    @property
    def is_ready(self) -> bool:
        """True while at least one worker can be asked."""
        return bool(self._ready)

    @property
    def pids(self) -> list[int]:
        """Process ids of the ready workers."""
        return [worker.pid for worker in self._ready]

    async def start(self) -> Ready:
        """Start one worker per device; all must load. Raises LoadError with the first reason."""
        starting = [asyncio.ensure_future(self._start_one(device)) for device in self._devices]
        try:
            await asyncio.gather(*starting)
        except BaseException:
            for task in starting:
                task.cancel()
            await asyncio.gather(*starting, return_exceptions=True)
            await self.stop()
            raise
        ready = self._ready[0].ready
        assert ready is not None  # noqa: S101  # _start_one returned
        return ready

    async def infer(
        self, inputs: tuple[Tensor, ...], outputs: tuple[str, ...], deadline_ns: int
    ) -> Result:
        """The answer of the least loaded worker; Overloaded when all are at their bound."""
        if not self._ready:
            raise Unavailable(
                f"'{self._spec.model}' version {self._spec.version} is not at ready state: "
                "its worker is being restarted",
                retry_after=1.0,
            )
        worker = min(self._ready, key=_load_of) if len(self._ready) > 1 else self._ready[0]
        if worker.in_flight >= self._limits.max_in_flight:
            raise Overloaded(
                f"Exceeds maximum queue size: {worker.in_flight} requests in flight for "
                f"'{self._spec.model}', max_in_flight is {self._limits.max_in_flight}",
                retry_after=1.0,
            )
        return await worker.infer(inputs, outputs, deadline_ns)

    async def stop(self) -> None:
        """Let every worker finish what it has, then end them all."""
        self._stopping = True
        for task in self._restarts:
            task.cancel()
        await asyncio.gather(*self._restarts, return_exceptions=True)
        workers, self._ready = self._ready, []
        await asyncio.gather(*(worker.stop(self._limits.stop_grace) for worker in workers))

    async def _start_one(self, device: str) -> None:
        self._started += 1
        name = f"{self._spec.model}/{self._spec.version}#{self._started}"
        worker = Worker(name)
        most = self._limits.max_message_bytes
        spec = replace(self._spec, device=device, max_answer_bytes=most)
        await worker.start(self._zygote, spec, most, self._limits.load_timeout)
        started = asyncio.get_running_loop().time()
        worker.watch(lambda lost: self._replace(lost, device, started))
        self._ready.append(worker)

    def _replace(self, lost: Worker, device: str, started: float) -> None:
        self._ready.remove(lost)
        if self._stopping:
            return
        log.error("worker died; restarting it", model=self._spec.model, worker=lost.name,
                  version=self._spec.version, pid=lost.pid)  # fmt: skip
        lived = asyncio.get_running_loop().time() - started
        delay = 0.0 if lived >= STABLE_AFTER else FIRST_RESTART_DELAY
        task = asyncio.ensure_future(self._restart(device, delay))
        self._restarts.add(task)
        task.add_done_callback(self._restarts.discard)

    async def _restart(self, device: str, delay: float) -> None:
        while True:
            await asyncio.sleep(delay)
            try:
                await self._start_one(device)
            except LoadError as error:
                delay = restart_delay(delay)
                log.error("worker did not come back", model=self._spec.model, reason=str(error),
                          version=self._spec.version, next_try_s=delay)  # fmt: skip
            else:
                log.info("worker is back", model=self._spec.model, version=self._spec.version)
                return


def restart_delay(previous: float) -> float:
    """Seconds to wait after another failure: doubling, up to MAX_RESTART_DELAY."""
    return min(max(previous * 2, FIRST_RESTART_DELAY), MAX_RESTART_DELAY)


def _load_of(worker: Worker) -> int:
    return worker.in_flight
