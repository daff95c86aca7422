"""How one version is loaded: found, checked for room, started, proven."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from runtimes.contract.messages import ModelSpec
from server.lifecycle.footprint import estimate, free_memory, private_memory, refusal
from server.lifecycle.gpu_memory import free_gpu_memory, gpu_memory_of
from server.lifecycle.states import State
from server.lifecycle.version import ModelVersion
from server.repository.background import in_background
from server.repository.settings import ModelSettings, SwapPolicy
from server.telemetry.recorder import Recorders
from server.workers.pool import WorkerPool
from server.workers.worker import LoadError


@dataclass(frozen=True, slots=True)
class Supplied:
    """A version as the repository holds it: a worker's orders, one device per worker, and the
    artifact's size in bytes. `unchanged` looks whether its files are still the same.
    """

    spec: ModelSpec
    devices: tuple[str, ...]
    artifact_bytes: int
    unchanged: Callable[[], bool] = lambda: True


Find = Callable[[ModelSettings, int], Supplied]
"""Finds and verifies a version's artifact; runs in a thread. Raises LoadError."""

MakePool = Callable[[Supplied], WorkerPool]


class Loader:
    """Loads versions; several at once for different models."""

    def __init__(
        self,
        find: Find,
        make_pool: MakePool,
        recorders: Recorders,
        free: Callable[[], int | None] = free_memory,
        breath: float = 0.0,
    ) -> None:
        self._find = find
        self._make_pool = make_pool
        self._recorders = recorders
        self._free = free
        self._breath = breath
        self._room = asyncio.Lock()
        self._reserved = 0

    async def load(self, version: ModelVersion, previous: ModelVersion | None) -> None:
        """Load `version`, which is LOADING; on return it can answer. Raises LoadError.

        `previous` is what serves meanwhile; its workers' memory tells how much this one may need.
        """
        # A thread of its own: a file server that hangs must hold up this load alone.
        supplied = await in_background(
            lambda: self._find(version.settings, version.version), "find-version"
        )
        version.runtime = supplied.spec.runtime
        await asyncio.sleep(self._breath)
        async with self._room:
            # NVML may take its time, too.
            needed = await in_background(
                lambda: self._make_sure_of_room(version, supplied, previous), "room-check"
            )
            self._reserved += needed
        await asyncio.sleep(self._breath)
        try:
            pool = self._make_pool(supplied)
            version.ready = await pool.start(lambda: _warming(version))
            version.pool = pool
        finally:
            self._reserved -= needed
        self._recorders.expect(version.settings.name, version.version, version.runtime)

    def forget(self, model: str, version: int) -> None:
        """Drop what was counted of a version that is long gone."""
        self._recorders.forget(model, version)

    def details(self, version: ModelVersion) -> dict[str, str | float]:
        """What the log says of a version beside its state."""
        ready = version.ready
        if version.state is not State.READY or ready is None:
            return {}
        return {
            "runtime": version.runtime,
            "device": ready.device,
            "load_s": round(ready.load_ns / 1e9, 2),
            "warmup_s": round(ready.warmup_ns / 1e9, 2),
        }

    def _make_sure_of_room(
        self, version: ModelVersion, supplied: Supplied, previous: ModelVersion | None
    ) -> int:
        """Compare what the version needs with what is free, in the host and on each of its GPUs.

        Returns the bytes it needs of the host; those of loads under way do not count as free.
        """
        settings, artifact = version.settings, supplied.artifact_bytes
        pids = previous.pool.pids if previous is not None and previous.pool is not None else []
        used = [size for pid in pids if (size := private_memory(pid)) is not None]
        need = estimate(settings.footprint_bytes, max(used, default=None), artifact)
        free = self._free()
        left = None if free is None else max(0, free - self._reserved)
        self._refuse(version, refusal(need, len(supplied.devices), left))
        needed = need.bytes * len(supplied.devices)
        # `auto` is the first GPU where there is one.
        gpus = ["cuda:0" if device == "auto" else device for device in supplied.devices]
        for gpu in sorted({device for device in gpus if device != "cpu"}):
            held = [size for pid in pids if (size := gpu_memory_of(pid, gpu)) is not None]
            need = estimate(None, max(held, default=None), artifact)
            on_gpu = free_gpu_memory(gpu)
            self._refuse(version, refusal(need, gpus.count(gpu), on_gpu, f"on {gpu}"))
        return needed

    def _refuse(self, version: ModelVersion, reason: str) -> None:
        if reason and version.settings.swap is SwapPolicy.REPLACE:
            reason = reason.partition(". Free some")[0]
        if reason:
            raise LoadError(reason, "memory")


def _warming(version: ModelVersion) -> None:
    if version.state is State.LOADING:
        version.move(State.WARMING)
