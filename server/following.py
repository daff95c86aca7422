"""Has what the repositories hold taken up: at the start, and whenever it changes from then on."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

from server.config import ConfigError, ModelControl, Settings
from server.errors import InvalidArgument
from server.lifecycle.manager import LifecycleManager
from server.repository.background import in_background
from server.repository.errors import RepositoryError
from server.repository.listing import RepositoryListing
from server.repository.watcher import RepositoryWatcher
from server.supply import Supply

START_LOOKS = 5
"""Looks at the repositories before the start goes on without what is still being written."""


class Following:
    """Who decides what is loaded says when to look, and what a look leads to; see ModelControl."""

    def __init__(self, settings: Settings, supply: Supply, manager: LifecycleManager) -> None:
        self._supply = supply
        self._manager = manager
        self._control = settings.model_control
        self._has_model_config = settings.has_model_config
        self._source = "model-repository" if settings.model_repositories else "model config"
        self._load_models = settings.load_models
        self._pause = settings.poll_interval
        polls = settings.model_control is ModelControl.POLL
        self._watcher = RepositoryWatcher(
            supply.scan, self._take_up, settings.poll_interval if polls else 0, _watched(settings)
        )
        self.rescan = self._watcher.rescan
        self._all_seen = asyncio.Event()

    async def start(self) -> None:
        """Take up what is there now, and under `poll` whatever comes.

        Raises ConfigError where a repository cannot be read; under `none` a store as well, which
        would never be looked at again.
        """
        for _ in range(START_LOOKS):
            try:
                listing = await in_background(self._supply.scan, "repository-scan")
            except RepositoryError as error:
                raise ConfigError(f"{self._source}: {error.reason}") from None
            self._take_up(listing)
            if listing.due is None:
                break
            # Something was written a moment ago: ready shall mean that it is served too.
            await asyncio.sleep(max(0.0, listing.due - time.time()) + 0.05)
        if self._control is not ModelControl.NONE or self._has_model_config:
            # Under `none` it looks only when a call replaces the models.
            self._watcher.start()
        if self._control is ModelControl.EXPLICIT:
            await self._until_all_seen()
            self._load_named()

    async def seen(self) -> None:
        """Return once every repository was read, or is known by an earlier server's look."""
        await self._all_seen.wait()

    async def stop(self) -> None:
        """Look no more."""
        await self._watcher.stop()

    def _take_up(self, listing: RepositoryListing) -> None:
        """What a new look at the repositories leads to."""
        self._supply.release(self._manager)
        if self._control is ModelControl.EXPLICIT:
            self._supply.note(listing)
        else:
            self._supply.announce(listing, self._manager)
        if not listing.unseen:
            self._all_seen.set()

    async def _until_all_seen(self) -> None:
        """Under `explicit` nobody else looks again."""
        while not self._all_seen.is_set():
            await asyncio.sleep(self._pause)
            await self._watcher.rescan()

    def _load_named(self) -> None:
        """Under `explicit`: load what --load-model names."""
        for name in self._load_models:
            for one in sorted(self._supply.names()) if name == "*" else [name]:
                try:
                    self._supply.offer(one, self._manager, "--load-model")
                except InvalidArgument as error:
                    raise ConfigError(f"load-model: {error.message}") from None


def _watched(settings: Settings) -> list[Path]:
    """The folders in which a change is worth a look, beside those of models."""
    file = settings.model_config_file
    folders = [where for where in settings.model_repositories if isinstance(where, Path)]
    return [*folders, *([file.absolute().parent] if file is not None else [])]
