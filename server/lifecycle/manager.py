"""The lifecycle manager: makes aspired versions so, one model independent of the other."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

import structlog

from runtimes.contract.messages import ModelSpec
from server.errors import NotFound, Unavailable
from server.lifecycle.policy import Load, Snapshot, Unload, default_version, next_action
from server.lifecycle.states import State
from server.lifecycle.version import Handle, ModelVersion, not_ready
from server.repository.settings import ModelSettings
from server.telemetry.recorder import Recorders
from server.workers.pool import WorkerPool
from server.workers.worker import LoadError

log = structlog.get_logger()

Describe = Callable[[ModelSettings, int], tuple[ModelSpec, tuple[str, ...]]]
"""Finds a version's artifact: its spec and one device per worker. Raises LoadError."""

MakePool = Callable[[ModelSpec, tuple[str, ...]], WorkerPool]


@dataclass(slots=True)
class Model:
    """All versions of one model; `error` says why there are none to serve."""

    name: str
    versions: dict[int, ModelVersion] = field(default_factory=dict)
    error: str = ""
    reconciling: asyncio.Task[None] | None = None

    def snapshots(self) -> list[Snapshot]:
        """The versions as the policy sees them."""
        return [Snapshot(v.version, v.state, v.aspired) for v in self.versions.values()]


class LifecycleManager:
    """Owns every model version; frontends only borrow handles."""

    def __init__(self, describe: Describe, make_pool: MakePool, recorders: Recorders,
                 drain_timeout: float) -> None:  # fmt: skip
        self._describe = describe
        self._make_pool = make_pool
        self._recorders = recorders
        self._drain_timeout = drain_timeout
        self._models: dict[str, Model] = {}
        self._settled = asyncio.Event()

    # ---- what is wanted ------------------------------------------------------------------------

    def aspire(self, settings: ModelSettings, versions: tuple[int, ...]) -> None:
        """State every version wanted of one model; what is not named is unloaded."""
        model = self._models.setdefault(settings.name, Model(settings.name))
        for number, version in model.versions.items():
            version.aspired = number in versions
        for number in versions:
            if number not in model.versions:
                model.versions[number] = ModelVersion(settings, number)
        if model.reconciling is None or model.reconciling.done():
            model.reconciling = asyncio.ensure_future(self._reconcile(model))

    def reject(self, name: str, reason: str) -> None:
        """Show a model whose settings cannot be read."""
        self._models.setdefault(name, Model(name)).error = reason

    async def settle(self) -> None:
        """Wait until everything aspired so far is READY or FAILED."""
        tasks = [m.reconciling for m in self._models.values() if m.reconciling is not None]
        await asyncio.gather(*tasks)
        self._settled.set()

    async def stop(self) -> None:
        """Drain and end every version."""
        tasks = [m.reconciling for m in self._models.values() if m.reconciling is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        ready = [v for v in self.versions() if v.state is State.READY]
        await asyncio.gather(*(self._unload(version) for version in ready))

    # ---- what is there -------------------------------------------------------------------------

    @property
    def settled(self) -> bool:
        """True once every model found at the start is READY or FAILED."""
        return self._settled.is_set()

    @property
    def models(self) -> Mapping[str, Model]:
        """Every known model by name."""
        return self._models

    def versions(self) -> Iterator[ModelVersion]:
        """Every version of every model."""
        for model in self._models.values():
            yield from model.versions.values()

    def find(self, name: str, version: str) -> ModelVersion:
        """A READY version; `version` "" is the default. Raises NotFound or Unavailable."""
        model = self._models.get(name)
        if model is None:
            raise NotFound(f"Request for unknown model: '{name}' is not found")
        if version:
            return self._find_specific(model, version)
        number = default_version(model.snapshots())
        if number is None:
            raise Unavailable(f"'{name}' has no available versions", retry_after=1.0)
        return model.versions[number]

    def acquire(self, name: str, version: str) -> Handle:
        """A lease on a READY version, to be used in a `with` block. Raises as `find` does."""
        return Handle(self.find(name, version))

    def _find_specific(self, model: Model, version: str) -> ModelVersion:
        found = model.versions.get(int(version)) if _is_number(version) else None
        if found is None or found.state is State.ENDED:
            raise NotFound(
                f"Request for unknown model: '{model.name}' version {version} is not found"
            )
        if found.state is not State.READY:
            raise Unavailable(not_ready(model.name, found.version), retry_after=1.0)
        return found

    # ---- making it so --------------------------------------------------------------------------

    async def _reconcile(self, model: Model) -> None:
        while (action := next_action(model.snapshots())) is not None:
            match action:
                case Load(version=number):
                    await self._load(model.versions[number])
                case Unload(version=number):
                    await self._unload(model.versions[number])

    async def _load(self, version: ModelVersion) -> None:
        name, number = version.settings.name, version.version
        version.move(State.LOADING)
        log.info("loading", model=name, version=number)
        pool: WorkerPool | None = None
        try:
            spec, devices = self._describe(version.settings, number)
            version.runtime = spec.runtime
            pool = self._make_pool(spec, devices)
            version.ready = await pool.start()
        except LoadError as error:
            version.move(State.FAILED, str(error))
            log.error("failed to load", model=name, version=number, reason=str(error))
            return
        version.pool = pool
        version.recorder = self._recorders.of(name, number)
        version.move(State.READY)
        seconds = round(version.ready.load_ns / 1e9, 2)
        log.info("ready", model=name, version=number, runtime=version.runtime,
                 device=version.ready.device, load_s=seconds)  # fmt: skip

    async def _unload(self, version: ModelVersion) -> None:
        name, number = version.settings.name, version.version
        version.move(State.DRAINING)
        try:
            await asyncio.wait_for(version.drained(), self._drain_timeout)
        except TimeoutError:
            log.warning("drain deadline passed", model=name, version=number,
                        in_flight=version.in_flight)  # fmt: skip
        version.move(State.UNLOADING)
        if version.pool is not None:
            await version.pool.stop()
        version.move(State.ENDED)
        log.info("unloaded", model=name, version=number)


def _is_number(version: str) -> bool:
    return version.isascii() and version.isdecimal() and len(version) <= 19
