"""Opens the repositories that the settings name: folders as they are, object stores by a cache."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from server.config import ConfigError, Settings
from server.repository.errors import RepositoryError
from server.repository.listing import MODEL_CONFIG
from server.repository.mirror import Mirror
from server.repository.model_cache import ModelCache
from server.repository.served import ServedModel
from server.repository.store import Store
from server.repository.store_bases import StoreBases
from server.repository.store_connection import Connection, check_installed
from server.repository.store_url import StoreUrl
from server.telemetry.repositories import RepositoryMeter


class Stores:
    """The repositories in their order, the base paths that lie in stores, and the cache of both.

    A cache is one server's alone, so it is opened only where a store is named. Raises ConfigError
    where that cannot be used, or a store's package is not installed. No store is asked for anything
    yet.
    """

    def __init__(
        self, settings: Settings, served: Sequence[ServedModel], meter: RepositoryMeter
    ) -> None:
        self._settings = settings
        self._cache: ModelCache | None = None
        self._guard = threading.Lock()
        given = settings.model_repositories
        bases = [model.location for model in served]
        self._check("model-repository", given)
        self._check("model config", bases)
        self._check("reload-folder", settings.reload_folders)
        if any(isinstance(one, StoreUrl) for one in (*given, *bases, *settings.reload_folders)):
            try:
                self._open_cache()
            except RepositoryError as error:
                raise ConfigError(error.reason) from None
        self._connections: dict[str, Connection] = {}
        self.roots = tuple(
            self._root(where, number, meter) for number, where in enumerate(given, 1)
        )
        self.bases = StoreBases(
            self._open_cache, partial(meter.received, MODEL_CONFIG), self._connection
        )

    def close(self) -> None:
        """Let another server use the cache."""
        with self._guard:
            if self._cache is not None:
                self._cache.close()

    def _check(self, setting: str, places: Sequence[Path | StoreUrl]) -> None:
        for where in places:
            if isinstance(where, StoreUrl):
                try:
                    check_installed(where.scheme)
                except RepositoryError as error:
                    raise ConfigError(f"{setting}: {error.reason}") from None

    def _root(self, where: Path | StoreUrl, number: int, meter: RepositoryMeter) -> Path | Mirror:
        if isinstance(where, Path):
            return where
        meter.received(number, 0)
        store = Store(where, self._connection(where.scheme))
        return Mirror(store, self._open_cache(), partial(meter.received, number))

    def _connection(self, scheme: str) -> Connection:
        return self._connections.setdefault(scheme, Connection(scheme))

    def _open_cache(self) -> ModelCache:
        with self._guard:
            if self._cache is None:
                where, limit = self._settings.model_cache_folder, self._settings.model_cache_bytes
                try:
                    self._cache = ModelCache(where, limit)
                except RepositoryError as error:
                    raise RepositoryError(f"model-cache: {error.reason}") from None
            return self._cache
