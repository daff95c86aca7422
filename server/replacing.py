"""Replaces all models of the model config by those of a call."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Protocol

import structlog

from server.errors import FailedPrecondition, Internal, InvalidArgument, Unavailable
from server.lifecycle.manager import LifecycleManager
from server.lifecycle.states import State
from server.looking import look_until_quiet
from server.repository.background import in_background
from server.repository.errors import RepositoryError
from server.repository.served import ServedModel
from server.repository.served_set import ServedSet
from server.repository.store_url import StoreUrl
from server.supply import Supply

log = structlog.get_logger()

MOST_SAID = 10
"""Models whose failure an answer tells."""


class Applied(Protocol):
    """All frontends together."""

    async def applied(self) -> None:
        """Return when what was announced is in force everywhere."""


class Replacing:
    """One call at a time; others wait their turn. `timeout` is how long, in seconds, the models get
    to become available.

    Base paths have to lie in one of `folders`, which may be prefixes of object stores, because
    calls come over the network.
    `labels_may_wait`: a label may name a version that is not READY, and points to it once it is.
    """

    def __init__(
        self,
        served: ServedSet,
        supply: Supply,
        manager: LifecycleManager,
        rescan: Callable[[], Awaitable[None]],
        routing: Applied,
        *,
        folders: Sequence[Path | StoreUrl],
        timeout: float,
        labels_may_wait: bool,
    ) -> None:
        self._served = served
        self._supply = supply
        self._manager = manager
        self._rescan = rescan
        self._routing = routing
        self._folders = tuple(one.resolve() for one in folders if isinstance(one, Path))
        self._prefixes = tuple(one for one in folders if isinstance(one, StoreUrl))
        self._timeout = timeout
        self._labels_may_wait = labels_may_wait
        self._turn = asyncio.Lock()

    async def replace(self, models: Sequence[ServedModel]) -> None:
        """See planes.ControlPlane.replace_models."""
        # A file server that is gone must not hold up the loop.
        foreign = await in_background(lambda: self._foreign(models), "base-paths")
        if foreign:
            raise InvalidArgument(
                f"model '{foreign}': its base_path lies in no folder that a call may name; "
                "start the server with --reload-folder for it"
            )
        async with self._turn:
            before = {model.name: model for model in self._served.models}
            log.info("models replaced by a call", models=len(models))
            await self._take_up(models)
            self._refuse_unavailable(models)
            if not self._labels_may_wait:
                await self._refuse_labels(models, before)

    def _foreign(self, models: Sequence[ServedModel]) -> str:
        """The first model that lies where none may, "" where there is none."""
        return next((model.name for model in models if not self._may_be(model.location)), "")

    def _may_be(self, where: Path | StoreUrl) -> bool:
        if isinstance(where, StoreUrl):
            return any(prefix.holds(where) for prefix in self._prefixes)
        try:
            path = where.resolve()
        except (OSError, RuntimeError):  # links that lead in a circle
            return False
        return any(path.is_relative_to(folder) for folder in self._folders)

    async def _take_up(self, models: Sequence[ServedModel]) -> None:
        self._served.replace(models)
        names = [model.name for model in models]
        try:
            await look_until_quiet(self._rescan, lambda: self._due(names))
        except RepositoryError as error:
            raise Unavailable(error.reason) from None
        try:
            async with asyncio.timeout(self._timeout):
                await self._manager.tried(names)
        except TimeoutError:
            pass  # who is late will be told
        await self._routing.applied()

    def _due(self, names: Sequence[str]) -> float | None:
        dues = [due for name in names if (due := self._supply.due(name)) is not None]
        return min(dues, default=None)

    def _refuse_unavailable(self, models: Sequence[ServedModel]) -> None:
        missing = [model.name for model in models if not self._is_available(model)]
        if not missing:
            return
        said = [f"{{{name}: {self._reason(name)}}}" for name in missing[:MOST_SAID]]
        more = [f"and {len(missing) - MOST_SAID} more"] if len(missing) > MOST_SAID else []
        raise Internal(
            f"{len(missing)} model(s) did not become available: {{{', '.join([*said, *more])}}}"
        )

    def _is_available(self, model: ServedModel) -> bool:
        known = self._manager.models.get(model.name)
        return known is not None and known.settings.origin == model.origin and known.available

    def _reason(self, name: str) -> str:
        model = self._manager.models.get(name)
        if model is None:
            return "unknown"
        for load in model.loads.values():
            if load.state is State.FAILED and model.is_aspired(load):
                return f"version {load.version}: {load.reason[:200]}"
        return model.error[:200] or "still loading"

    async def _refuse_labels(
        self, models: Sequence[ServedModel], before: Mapping[str, ServedModel]
    ) -> None:
        """Refuse labels that point nowhere, and have all labels as they were."""
        for model in models:
            known = self._manager.models.get(model.name)
            held = known.labels if known is not None else {}
            for label, version in model.labels.items():
                if held.get(label) == version:
                    continue
                kept = [
                    replace(one, labels=before[one.name].labels if one.name in before else {})
                    for one in models
                ]
                await self._take_up(kept)
                raise FailedPrecondition(
                    f"Request to assign label to version {version} of model {model.name}, which "
                    "is not currently available for inference"
                )
