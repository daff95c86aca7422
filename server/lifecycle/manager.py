"""The lifecycle manager: makes aspired versions so, one model independent of the other.

It asks the pure policy what to do next for one model, does it, and asks again whenever something
there ends. Nothing here waits for another model.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence

import structlog

from server.lifecycle.announcer import Announcer
from server.lifecycle.history import History, Transition
from server.lifecycle.loading import Loader
from server.lifecycle.model import Model
from server.lifecycle.policy import (
    Abandon,
    Action,
    Forget,
    Load,
    Unload,
    next_action,
    retry_delay,
)
from server.lifecycle.states import State
from server.lifecycle.version import ModelVersion
from server.naming import resolve, unknown_model
from server.repository.settings import ModelSettings
from server.workers.worker import LoadError

log = structlog.get_logger()


class LifecycleManager:
    """Owns every model version; what frontends may use of them it announces."""

    def __init__(
        self,
        loader: Loader,
        history: History,
        announcer: Announcer,
        *,
        drain_timeout: float,
        load_retries: int,
        retry_first: float,
        breath: float = 0.0,
        clock: Callable[[], float] | None = None,
    ) -> None:
        self._loader = loader
        self._history = history
        self._announcer = announcer
        self._drain_timeout = drain_timeout
        self._load_retries = load_retries
        self._retry_first = retry_first
        self._breath = breath
        self._clock = clock or asyncio.get_running_loop().time
        self._models: dict[str, Model] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._stopping = False

    # ---- what is wanted ------------------------------------------------------------------------

    def aspire(self, settings: ModelSettings, available: Sequence[int], cause: str) -> None:
        """State a model's settings and every version of it that could be loaded.

        The version policy, labels and rollbacks decide which of them are loaded; all others are
        unloaded. `cause` says who or what asked, for the history.
        """
        model = self._model(settings.name)
        model.removed = False
        model.want(settings, available, cause)
        self._reconcile(model)

    def withdraw(self, name: str, cause: str) -> None:
        """Want nothing of a model any more."""
        if name in self._models:
            self.aspire(self._models[name].settings, (), cause)

    def remove(self, name: str, cause: str) -> None:
        """Want nothing of a model that is gone, and forget it when its last version has ended."""
        self.withdraw(name, cause)
        if name in self._models:
            self._models[name].removed = True
            self._forget_if_over(self._models[name])

    def complain(self, name: str, reason: str, *, expected: bool = False) -> None:
        """Say why a model has nothing to load, "" where it has; what it serves stays.

        What is `expected` is shown, but not logged as an error.
        """
        model = self._model(name)
        if reason and reason != model.error and not expected:
            log.error("model cannot be served", model=name, reason=reason)
        model.error = reason

    def label(self, name: str, labels: Mapping[str, int | None], cause: str) -> None:
        """Point labels at READY versions, or remove those with None, all in one step.

        Raises NotFound or InvalidArgument, and then nothing is changed.
        """
        model = self.get(name)
        model.label(labels, cause)
        for label, version in labels.items():
            log.info("label moved", model=name, label=label, version=version, cause=cause)
        self._reconcile(model)

    def roll_back(self, name: str, cause: str) -> int:
        """Turn to the version before the default one, which is not served again until it is
        loaded by name or replaced by a newer one; the number of the version turned to.
        """
        model = self.get(name)
        version = model.reject_default(cause)
        log.warning("rolling back", model=name, version=version, cause=cause)
        self._reconcile(model)
        return version

    def retry(self, name: str) -> None:
        """Try failed versions of a model again at once, with all their attempts before them."""
        model = self.get(name)
        for load in model.loads.values():
            if load.state is State.FAILED:
                load.attempts, load.retry_at = 0, self._clock()
        self._reconcile(model)

    async def settled(self, names: Sequence[str] | None = None) -> None:
        """Wait until all wanted versions of those models (or of all) are READY or FAILED and the
        others gone.
        """
        for name in names if names is not None else list(self._models):
            while (model := self._models.get(name)) is not None and not model.settled:
                await model.changed.wait()

    async def tried(self, names: Sequence[str]) -> None:
        """Wait until all wanted versions of those models are READY or have failed once; what has to
        go may still be there.
        """
        for name in names:
            while (model := self._models.get(name)) is not None and not model.tried:
                await model.changed.wait()

    async def stop(self) -> None:
        """Drain and end every version."""
        self._stopping = True
        for model in self._models.values():
            self._cancel_retry(model)
        for version in self.versions():
            if version.task is not None and version.state in (State.LOADING, State.WARMING):
                version.task.cancel()
            elif version.serves:
                self._leave(version)
                self._start(self._unload(version))
        while self._tasks:
            await asyncio.gather(*self._tasks, return_exceptions=True)

    # ---- what is there -------------------------------------------------------------------------

    @property
    def models(self) -> Mapping[str, Model]:
        """Every known model by name."""
        return self._models

    def versions(self) -> Iterator[ModelVersion]:
        """Every load of every version of every model."""
        for model in self._models.values():
            yield from model.loads.values()

    def get(self, name: str) -> Model:
        """A known model; raises NotFound."""
        model = self._models.get(name)
        if model is None:
            raise unknown_model(name)
        return model

    def find(self, name: str, version: str) -> ModelVersion:
        """Who answers for `version`: "" for the default, a number, or a label.

        Raises NotFound for what is unknown, Unavailable for what is known and cannot answer.
        """
        model = self.get(name)
        return resolve(name, version, model.routes, model.known)

    # ---- making it so --------------------------------------------------------------------------

    def _model(self, name: str) -> Model:
        if name not in self._models:
            self._models[name] = Model(
                name, self._moved, self._announcer.announce,
                lambda version: self._loader.forget(name, version),
            )  # fmt: skip
            self._announcer.announce(self._models[name])
        return self._models[name]

    def _reconcile(self, model: Model) -> None:
        """Do all there is to do for one model now; each thing that ends comes back here."""
        if self._stopping:
            return
        while (action := self._next(model)) is not None:
            self._perform(model, action)
        self._schedule_retry(model)
        self._forget_if_over(model)

    def _forget_if_over(self, model: Model) -> None:
        if not model.removed or any(v.state is not State.ENDED for v in model.loads.values()):
            return
        if self._models.get(model.name) is model:
            del self._models[model.name]
            self._announcer.withdraw(model)
            for version in {load.version for load in model.loads.values()}:
                self._loader.forget(model.name, version)

    def _next(self, model: Model) -> Action | None:
        return next_action(model.snapshots(self._clock()), model.settings.swap)

    def _perform(self, model: Model, action: Action) -> None:
        """Start `action`; the version has left the state that called for it when this returns."""
        version = model.loads[action.id]
        match action:
            case Load():
                if version.state is State.FAILED:
                    version.move(State.NEW)
                version.retry_at = None
                version.move(State.LOADING)
                version.task = self._start(self._load(model, version), model)
            case Unload():
                self._leave(version)
                self._start(self._unload(version), model)
            case Abandon():
                version.move(State.UNLOADING, "no longer wanted")
                if version.task is not None:
                    version.task.cancel()
            case Forget():
                version.retry_at = None
                version.move(State.ENDED, "no longer wanted")

    async def _load(self, model: Model, version: ModelVersion) -> None:
        try:
            await self._loader.load(version, model.routes.get(""))
            if version.state is State.UNLOADING:  # abandoned in the very moment it got ready
                await self._end(version)
            elif self._stopping:
                version.move(State.UNLOADING, "the server is stopping")
                await self._end(version)
            else:
                version.move(State.READY)
        except LoadError as error:
            self._failed(version, str(error), error.kind)
        except asyncio.CancelledError:
            if version.state is not State.UNLOADING:
                version.move(State.UNLOADING, "the server is stopping")
            version.move(State.ENDED)
        except Exception as error:
            log.exception("loading failed unexpectedly. This is a bug.", model=model.name)
            self._failed(version, f"internal error: {type(error).__name__}", "internal")

    def _failed(self, version: ModelVersion, reason: str, kind: str) -> None:
        if version.state is State.UNLOADING:  # abandoned in the very moment it failed
            version.move(State.ENDED)
            return
        version.attempts += 1
        text = reason
        if version.attempts <= self._load_retries:
            delay = retry_delay(version.attempts, self._retry_first)
            version.retry_at = self._clock() + delay
            total = self._load_retries + 1
            text = f"{reason} (attempt {version.attempts} of {total}, next in {delay:g} s)"
        version.move(State.FAILED, text, kind)

    def _leave(self, version: ModelVersion) -> None:
        """Take all routes from `version`. It is READY until no frontend sends requests there."""
        version.leaving = True
        self._models[version.settings.name].refresh()

    async def _unload(self, version: ModelVersion) -> None:
        await self._announcer.applied()
        version.move(State.DRAINING)
        await asyncio.sleep(self._breath)
        try:
            await asyncio.wait_for(self._announcer.drained(version), self._drain_timeout)
        except TimeoutError:
            users = self._announcer.users(version)
            log.warning("drain deadline passed", model=version.settings.name,
                        version=version.version, frontends=users)  # fmt: skip
        version.move(State.UNLOADING)
        await self._end(version)

    async def _end(self, version: ModelVersion) -> None:
        if version.pool is not None:
            await version.pool.stop()
            version.pool = None  # its buffers would stay as long as the version is shown
        version.move(State.ENDED)

    def _moved(self, version: ModelVersion, transition: Transition) -> None:
        """Keep the model's routes and everybody's knowledge in step with a version's state."""
        self._history.record(transition, self._loader.details(version))
        self._models[version.settings.name].refresh()

    def _start(
        self, work: Coroutine[None, None, None], model: Model | None = None
    ) -> asyncio.Task[None]:
        """Run `work`; when it ends, see what is next for `model`."""
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        if model is not None:
            task.add_done_callback(lambda _: self._reconcile(model))
        return task

    def _schedule_retry(self, model: Model) -> None:
        self._cancel_retry(model)
        due = [
            load.retry_at
            for load in model.loads.values()
            if load.retry_at is not None and load.state is State.FAILED and model.is_aspired(load)
        ]
        if due:
            delay = max(0.0, min(due) - self._clock())
            loop = asyncio.get_running_loop()
            model.retry = loop.call_later(delay, self._reconcile, model)

    def _cancel_retry(self, model: Model) -> None:
        if model.retry is not None:
            model.retry.cancel()
            model.retry = None
