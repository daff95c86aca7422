"""Base paths of a model config that lie in object stores: each is mirrored as a repository with
just that model.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from pathlib import Path

from server.repository.base_path import with_settings
from server.repository.errors import RepositoryError
from server.repository.listing import MODEL_CONFIG, ModelEntry
from server.repository.mirror import Mirror
from server.repository.model_cache import ModelCache
from server.repository.model_folder import Look
from server.repository.served import ServedModel
from server.repository.store import OneModel, Store
from server.repository.store_connection import Connection, check_installed
from server.repository.store_errors import Unanswered
from server.repository.store_url import StoreUrl

NOTHING_THERE = "its base path does not exist in the store, or holds no object"


class StoreBases:
    """`begin` and `read` are for one thread at a time, `mirror_of` for any. `cache` gives the cache
    when it is first needed, and raises RepositoryError where it cannot be used. `connection` gives
    the one to all stores of a scheme.
    """

    def __init__(
        self,
        cache: Callable[[], ModelCache],
        received: Callable[[int], None] = lambda size: None,
        connection: Callable[[str], Connection] = Connection,
    ) -> None:
        self._cache = cache
        self._received = received
        self._connection = connection
        self._mirrors: dict[tuple[str, str], Mirror] = {}
        self._guard = threading.Lock()
        self._silent: dict[tuple[str, str], str] = {}

    def begin(self, served: Sequence[ServedModel]) -> None:
        """Begin a look at these models; what is served no more is forgotten."""
        keys = {(model.name, model.origin) for model in served}
        self._silent = {}
        with self._guard:
            self._mirrors = {key: one for key, one in self._mirrors.items() if key in keys}

    def mirror_of(self, entry: ModelEntry) -> Mirror | None:
        """Where the versions of a model come from, None where that is not known any more."""
        if entry.settings is None:
            return None
        with self._guard:
            return self._mirrors.get((entry.name, entry.settings.origin))

    def keep_only(self, in_use: Collection[tuple[str, int]]) -> None:
        """All versions but these models' may be removed from the cache where room is needed."""
        with self._guard:
            one = next(iter(self._mirrors.values()), None)
        if one is not None:
            one.keep_only(in_use)  # all share one cache

    def read(
        self, served: ServedModel, url: StoreUrl, look: Look, before: ModelEntry | None
    ) -> ModelEntry:
        """The model as it is in the store; where that cannot be listed as it was `before`, or else
        as the cache knows it, and `unreachable` says why. Of what was never there it has the error.
        """
        reason = ""
        try:
            mirror = self._mirror(served, url)
        except RepositoryError as refused:
            return _unread(served, refused.reason)
        try:
            names: Sequence[str] = self._listed(mirror, url)
        except RepositoryError as refused:
            if before is not None and before.settings is not None:
                return replace(before, unreachable=refused.reason, due=None)
            names, reason = mirror.recall(), refused.reason
        if served.name not in names:
            return _unread(served, reason)
        entry = mirror.read(served.name, look, 1)
        if not reason:
            mirror.remember()
        return with_settings(
            served, replace(entry, root=entry.folder, repository=MODEL_CONFIG, unreachable=reason)
        )

    def _listed(self, mirror: Mirror, url: StoreUrl) -> Sequence[str]:
        """The model's name, or nothing where the store has nothing of it. A store that does not
        answer is asked once in a look, not for each of its models.
        """
        place = (url.scheme, url.bucket)
        if place in self._silent:
            raise RepositoryError(self._silent[place])
        try:
            names, _ = mirror.look()
        except Unanswered as silent:
            self._silent[place] = silent.reason
            raise
        except OSError as error:
            raise RepositoryError(f"the model cache cannot be used: {error.strerror}") from None
        return names

    def _mirror(self, served: ServedModel, url: StoreUrl) -> Mirror:
        key = (served.name, served.origin)
        with self._guard:
            known = self._mirrors.get(key)
            if known is not None:
                return known
            check_installed(url.scheme)
            store = OneModel(Store(url, self._connection(url.scheme)), served.name)
            mirror = Mirror(store, self._cache(), self._received)
            self._mirrors[key] = mirror
            return mirror


def _unread(served: ServedModel, reason: str) -> ModelEntry:
    """A model of which nothing is known; `reason` is why the store cannot be listed, if so."""
    return ModelEntry(
        served.name, Path(), None, error=reason or NOTHING_THERE, unreachable=reason,
        repository=MODEL_CONFIG, mirrored=True,
    )  # fmt: skip
