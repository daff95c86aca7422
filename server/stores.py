"""Opens the repositories that the settings name: folders as they are, object stores by a cache."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from server.config import ConfigError, Settings
from server.repository.errors import RepositoryError
from server.repository.mirror import Mirror
from server.repository.model_cache import ModelCache
from server.repository.store import Store, check_installed
from server.repository.store_url import StoreUrl
from server.telemetry.repositories import RepositoryMeter


def open_repositories(
    settings: Settings, meter: RepositoryMeter
) -> tuple[tuple[Path | Mirror, ...], ModelCache | None]:
    """The repositories in their order, and the cache to be closed at the end, if one is needed.

    Raises ConfigError where a store's package is not installed or the cache cannot be used. No
    store is asked for anything yet.
    """
    given = settings.model_repositories
    for where in given:
        if isinstance(where, StoreUrl):
            try:
                check_installed(where)
            except RepositoryError as error:
                raise ConfigError(f"model-repository: {error.reason}") from None
    if not any(isinstance(where, StoreUrl) for where in given):
        return tuple(where for where in given if isinstance(where, Path)), None
    try:
        cache = ModelCache(settings.model_cache_folder, settings.model_cache_bytes)
    except RepositoryError as error:
        raise ConfigError(f"model-cache: {error.reason}") from None
    roots: list[Path | Mirror] = []
    for number, where in enumerate(given, start=1):
        if isinstance(where, Path):
            roots.append(where)
        else:
            meter.received(number, 0)
            roots.append(Mirror(Store(where), cache, partial(meter.received, number)))
    return tuple(roots), cache
