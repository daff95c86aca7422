"""What clients may see and ask of the repository, and operators of the lifecycle."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Protocol

from server.config import ModelControl
from server.errors import InvalidArgument, NotFound, Unsupported
from server.lifecycle.history import History, Transition
from server.lifecycle.manager import LifecycleManager
from server.lifecycle.observation import Observation
from server.lifecycle.overview import Overview
from server.lifecycle.states import State
from server.looking import look_until_quiet
from server.planes import IndexEntry, TraceFile
from server.profiling import ProfileTaker
from server.replacing import Replacing
from server.repository.errors import RepositoryError
from server.repository.names import is_label
from server.repository.served import ServedModel
from server.statistics import ModelStatistics
from server.supply import Supply
from server.switches import Switches
from server.telemetry.compat import MetricsCompat
from server.telemetry.settings_words import Changes, Setting

API = "api"


class Routing(Protocol):
    """What is asked of all frontends together; neither waits long for one that is slow."""

    async def applied(self) -> None:
        """Return when what was announced is in force everywhere."""

    async def gather(self) -> None:
        """Return when what was counted everywhere is added up."""


class ServingControlPlane:
    """Answers for one lifecycle manager; see planes.ControlPlane and planes.AdminPlane."""

    def __init__(
        self,
        manager: LifecycleManager,
        supply: Supply,
        history: History,
        control: ModelControl,
        rescan: Callable[[], Awaitable[None]],
        routing: Routing,
        observation: Observation,
        switches: Switches,
        profiles: ProfileTaker,
        replacing: Replacing | None = None,
    ) -> None:
        self._manager = manager
        self._supply = supply
        self._history = history
        self._control = control
        self._rescan = rescan
        self._routing = routing
        self._observation = observation
        self._switches = switches
        self._profiles = profiles
        self._replacing = replacing

    # ---- for clients ---------------------------------------------------------------------------

    async def statistics(self, model: str, version: str) -> Sequence[ModelStatistics]:
        """Totals of one version, of one model's ready versions, or of all ready versions, all
        frontends taken together.
        """
        if model and version:
            found = [self._manager.find(model, version)]
        elif model:
            found = list(self._manager.get(model).loads.values())
        else:
            found = list(self._manager.versions())
        ready = {(one.settings.name, one.version) for one in found if one.state is State.READY}
        await self._routing.gather()
        return [self._observation.recorders.statistics(*key) for key in ready]

    async def index(self, ready_only: bool) -> Sequence[IndexEntry]:
        """Every known model version, by name and version; a model without any is one line."""
        # What is said to be READY here answers in whichever frontend is asked next.
        await self._routing.applied()
        entries: list[IndexEntry] = []
        for name in sorted({*self._manager.models, *self._supply.names()}):
            entries += self._lines(name, ready_only)
        return entries

    async def load(self, model: str, parameters: Mapping[str, str | bool | int | bytes]) -> None:
        """Load or reload `model` as the repository has it now, and wait until that is done.

        Parameter `config` is a model configuration as JSON that takes the place of the model's
        own. Raises InvalidArgument with the reason of a failure.
        """
        self._require(ModelControl.EXPLICIT)
        if files := [key for key in parameters if key.startswith("file:")]:
            raise Unsupported(
                f"parameter '{files[0][:64]}': artifacts are not taken over the network; publish "
                "them in the model repository"
            )
        config = parameters.get("config")
        if config is not None and not isinstance(config, str):
            raise InvalidArgument("parameter 'config': expected a string of JSON")
        try:
            # Nothing would load later what was written a moment ago.
            await look_until_quiet(self._rescan, lambda: self._supply.due(model))
        except RepositoryError as error:
            raise InvalidArgument(f"load failed for model '{model}': {error.reason}") from None
        self._supply.offer(model, self._manager, API, config)
        await self._manager.settled([model])
        await self._routing.applied()
        self._raise_failure(model)

    async def unload(self, model: str, unload_dependents: bool) -> None:
        """Unload `model` and wait until its requests in flight are answered and it is gone."""
        self._require(ModelControl.EXPLICIT)
        self._manager.withdraw(model, API)
        await self._manager.settled([model])
        await self._routing.applied()

    async def tf_serving_metrics(self) -> bytes:
        """The metrics under TensorFlow Serving's names."""
        kind = MetricsCompat.TF_SERVING
        if not self._observation.offers(kind):
            raise NotFound("metrics under these names are off; see --metrics-compat")
        await self._routing.gather()
        text, _ = await self._observation.page_of(kind, self._manager.versions())
        return text

    async def trace_settings(self, model: str, changes: Changes) -> Mapping[str, Setting]:
        """Which requests are traced, after `changes`."""
        return await self._switches.trace(model, changes)

    async def log_settings(self, changes: Changes) -> Mapping[str, Setting]:
        """What is logged, after `changes`."""
        return await self._switches.log(changes)

    async def replace_models(self, models: Sequence[ServedModel]) -> None:
        """Serve just these models in place of those of the model config."""
        if self._replacing is None:
            raise Unsupported(
                "the set of models cannot be replaced: the server follows its model repository. "
                "Start it with --model-config-file or --model-base-path"
            )
        await self._replacing.replace(models)

    # ---- for operators -------------------------------------------------------------------------

    async def profile(self, model: str, version: str, batches: int, seconds: float) -> TraceFile:
        """What the runtime's profiler captures of the next batches."""
        return await self._profiles.take(model, version, batches, seconds)

    def labels(self, model: str) -> Mapping[str, int]:
        """The labels of `model` with their versions."""
        return self._manager.get(model).labels

    async def label(self, model: str, labels: Mapping[str, int | None]) -> None:
        """Point labels at READY versions, or remove those with None; all of them or none."""
        for label in labels:
            if not is_label(label):
                raise InvalidArgument(
                    f"label '{label[:64]}': expected a letter, then letters, digits, '_' or '-', "
                    "64 at most"
                )
        self._manager.label(model, labels, API)
        await self._routing.applied()

    async def roll_back(self, model: str) -> int:
        """Turn to the version before the default one, and wait until it answers."""
        version = self._manager.roll_back(model, API)
        found = self._manager.get(model).routes.get("")
        if found is None or found.version != version:
            await self._manager.settled([model])
            self._raise_failure(model)
        await self._routing.applied()
        return version

    def history(self, model: str, limit: int) -> Sequence[Transition]:
        """The newest transitions, oldest first."""
        return self._history.entries(model, limit)

    async def metrics(self, accept: str) -> tuple[bytes, str]:
        """All metrics, after having what frontends counted up to now added up."""
        await self._routing.gather()
        return await self._observation.page(self._manager.versions(), accept)

    async def overview(self) -> Overview:
        """All models, likewise."""
        await self._routing.gather()
        return await self._observation.overview(self._manager.models)

    # ---- shared --------------------------------------------------------------------------------

    def _lines(self, name: str, ready_only: bool) -> list[IndexEntry]:
        model = self._manager.models.get(name)
        loads = list(model.loads.values()) if model is not None else []
        # A version that is being replaced is there twice; the one that serves speaks for both.
        rank = {State.READY: 2, State.ENDED: 0}
        latest = {v.version: v for v in sorted(loads, key=lambda v: (rank.get(v.state, 1), v.id))}
        failed = {v.version: v.reason for v in loads if v.state is State.FAILED}
        error = model.error if model is not None else ""
        lines = {}
        for number, version in latest.items():
            # What is wrong is said beside what serves nonetheless.
            reason = version.reason or failed.get(number, error)
            lines[number] = IndexEntry(name, str(number), version.state.value, reason)
        for number, reason in self._supply.incomplete(name).items():
            if number not in lines and lines:
                lines[number] = IndexEntry(name, str(number), State.NEW.value, reason)
        found = [lines[number] for number in sorted(lines)]
        if ready_only:
            return [line for line in found if line.state == State.READY.value]
        return found or [
            IndexEntry(name, "", State.FAILED.value if error else State.ENDED.value, error)
        ]

    def _raise_failure(self, name: str) -> None:
        model = self._manager.get(name)
        for load in model.loads.values():
            if load.state is State.FAILED and model.is_aspired(load):
                raise InvalidArgument(f"load failed for model '{name}': {load.reason}")
        if model.error:
            raise InvalidArgument(f"load failed for model '{name}': {model.error}")

    def _require(self, control: ModelControl) -> None:
        if self._control is not control:
            raise Unsupported(
                "explicit model load / unload is not allowed: the server runs with "
                f"--model-control {self._control} and follows its model repository. Change the "
                "repository, or start the server with --model-control explicit"
            )
