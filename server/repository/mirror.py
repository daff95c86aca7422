"""A model repository in an object store, mirrored in a folder: what is small with each look, a
version's files right before it is loaded.

After that it is as any other folder: settings, artifacts and hashes are read from there.
"""

from __future__ import annotations

import os
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import structlog

from server.repository import last_seen
from server.repository.artifacts import ECHO
from server.repository.completeness import Sight
from server.repository.download import download
from server.repository.errors import RepositoryError
from server.repository.listing import ModelEntry
from server.repository.manifest import Manifest
from server.repository.model_cache import ModelCache, folder_bytes, remove, source_of
from server.repository.model_folder import Look, read_model
from server.repository.small_files import bring_small, manifests
from server.repository.store import OneModel, Store
from server.repository.store_keys import StoredModel, StoredVersion, arrange
from server.repository.store_versions import judge

log = structlog.get_logger()

_NOT_HERE = "it is not in the model cache, and the store cannot be listed"


@dataclass(slots=True)
class _Known:
    """What earlier looks at one model left: tags of its small files as they lie in the folder, how
    its versions were last seen, their manifests (or why they are none) by fingerprint, and the
    fingerprints of the whole ones.
    """

    small: dict[str, str] = field(default_factory=dict)
    sights: dict[int, Sight] = field(default_factory=dict)
    manifests: dict[str, Manifest | str] = field(default_factory=dict)
    whole: dict[int, str] = field(default_factory=dict)


class Mirror:
    """One repository of an object store. `look` and `read` are for one thread at a time, `fetch`
    for any.
    """

    def __init__(
        self,
        store: Store | OneModel,
        cache: ModelCache,
        received: Callable[[int], None] = lambda size: None,
    ) -> None:
        self.folder = cache.folder / store.key
        self._store = store
        self._cache = cache
        self._received = received
        self._models: Mapping[str, StoredModel] = {}
        self._known: dict[str, _Known] = defaultdict(_Known)
        self._looks = 0
        self._recalled: last_seen.LastSeen = {}
        self._kept: last_seen.LastSeen | None = None
        self._locks: dict[tuple[str, int], threading.Lock] = {}
        self._guard = threading.Lock()

    def look(self) -> tuple[list[str], tuple[str, ...]]:
        """List the store: the names of its models, ascending, and what in it belongs to none.

        Raises RepositoryError where it cannot be listed, and where it holds nothing any more: a
        store knows no empty folders, so that all being gone and being wrong look alike.
        """
        found = arrange(self._store.list())
        if not found.models and (self._models or self._recalled):
            raise RepositoryError("the store holds no model any more; was its prefix removed?")
        self.folder.mkdir(parents=True, exist_ok=True)
        for name, model in found.models.items():
            known = self._known[name]
            bring_small(self._store, self.folder / name, model, known.small)
            known.manifests = manifests(self._store, model, known.manifests)
        self._models = found.models
        self._known = defaultdict(_Known, {name: self._known[name] for name in found.models})
        self._looks += 1
        return sorted(found.models), found.ignored

    def recall(self) -> list[str]:
        """The models of the last look; where none has succeeded yet, those that an earlier server
        found. Until one does, `read` and `fetch` go by that and by the folder.
        """
        if self._looks:
            return sorted(self._models)
        self._recalled = last_seen.recall(self.folder)
        return sorted(self._recalled)

    def remember(self) -> None:
        """Keep what was read since the last look for a start at which the store is down."""
        seen = {name: known.whole for name, known in self._known.items()}
        if seen == self._kept:
            return
        try:
            last_seen.keep(self.folder, seen)
        except OSError as error:
            log.warning("what the store holds could not be kept", reason=error.strerror)
        self._kept = seen

    def read(self, name: str, look: Look, repository: int) -> ModelEntry:
        """The model `name` as the last look found it in the store."""
        entry = read_model(self.folder, name, look, repository)
        if entry.settings is not None:
            # Version 1 of a model of that name elsewhere is another version 1.
            entry = replace(entry, settings=replace(entry.settings, origin=self.folder.name))
        if not self._looks:
            return self._as_recalled(entry)
        known, model = self._known[name], self._models[name]
        if model.refused:
            entry = replace(entry, settings=None, error=model.refused)
        whole: list[int] = []
        incomplete: dict[int, str] = {}
        dues = [entry.due]
        for number, version in sorted(model.versions.items()):
            sight, verdict = judge(
                version, known.sights.get(number), known.manifests.get(version.fingerprint),
                now=look.now, quiet_period=look.quiet_period, first_look=self._looks == 1,
                may_be_empty=entry.settings is not None and entry.settings.runtime == ECHO,
            )  # fmt: skip
            known.sights[number] = sight
            dues.append(verdict.due)
            if verdict.whole:
                whole.append(number)
            else:
                incomplete[number] = verdict.reason
        known.whole = {n: model.versions[n].fingerprint for n in whole if not model.refused}
        return replace(
            entry,
            versions=tuple(whole),
            incomplete=incomplete,
            fingerprints={n: version.fingerprint for n, version in model.versions.items()},
            sizes={n: version.size for n, version in model.versions.items()},
            ignored=(*model.ignored, *entry.ignored),
            due=min((due for due in dues if due is not None), default=None),
            mirrored=True,
        )

    def keep_only(self, in_use: Collection[tuple[str, int]]) -> None:
        """All versions but these models' may be removed from the folder where room is needed."""
        self._cache.keep_only(in_use)

    def fetch(self, name: str, number: int) -> None:
        """See to it that the version lies in the folder as the store has it. Takes as long as it
        takes; raises RepositoryError, and goes on from there the next time.
        """
        with self._lock_of(name, number):
            version = self._version(name, number)
            recalled = self._recalled.get(name, {}).get(number) if not self._looks else None
            mark = version.fingerprint if version is not None else recalled
            if mark is None:
                raise RepositoryError("it is no longer in the store")
            self._cache.use(name, number)
            copy = self.folder / name / str(number)
            if self.holds(name, number, mark):
                os.utime(source_of(copy))
            elif version is not None:
                self._download(name, number, version, copy)
            else:
                raise RepositoryError(_NOT_HERE)

    def holds(self, name: str, number: int, fingerprint: str) -> bool:
        """Whether the folder has the version whole, made of the objects with that fingerprint."""
        copy = self.folder / name / str(number)
        try:
            return copy.is_dir() and source_of(copy).read_text("utf-8") == fingerprint
        except OSError:
            return False

    def discard(self, name: str, number: int) -> None:
        """Forget the version's files, which are not what was published."""
        with self._lock_of(name, number):
            remove(self.folder / name / str(number))

    def _as_recalled(self, entry: ModelEntry) -> ModelEntry:
        """The model with the versions that the folder holds as the store last had them.

        Where it holds none of them, all are offered: that they cannot be fetched is then said, and
        put right once the store is back.
        """
        marks = self._recalled.get(entry.name, {})
        held = [number for number, mark in marks.items() if self.holds(entry.name, number, mark)]
        missing = set(marks) - set(held) if held else set()
        copies = self.folder / entry.name
        return replace(
            entry,
            versions=tuple(sorted(held or marks)),
            incomplete=dict.fromkeys(sorted(missing), _NOT_HERE),
            fingerprints=dict(marks),
            sizes={number: folder_bytes(copies / str(number)) for number in held},
            due=None,
            mirrored=True,
        )

    def _download(self, name: str, number: int, version: StoredVersion, copy: Path) -> None:
        mark = version.fingerprint
        part = copy.with_name(f".{number}.{mark}.part")
        for stale in copy.parent.glob(f".{number}.*.part"):
            if stale != part:
                remove(stale)
        have = sum(path.stat().st_size for path in part.rglob("*") if path.is_file())
        self._cache.make_room(max(0, version.size - have))
        log.info("downloading", model=name, version=number, bytes=version.size, resumed_at=have)
        began = time.monotonic()

        def wanted() -> bool:
            now = self._version(name, number)
            return now is not None and now.fingerprint == mark

        download(self._store, version.files, part, wanted, self._received)
        again = arrange(self._store.list(f"{name}/{number}")).models.get(name)
        if (
            again is None
            or number not in again.versions
            or again.versions[number].fingerprint != mark
        ):
            remove(part)
            raise RepositoryError("it changed in the store while it was downloaded")
        remove(copy)
        part.rename(copy)
        source_of(copy).write_text(mark, "utf-8")
        log.info("downloaded", model=name, version=number, bytes=version.size,
                 seconds=round(time.monotonic() - began, 2))  # fmt: skip

    def _lock_of(self, name: str, number: int) -> threading.Lock:
        with self._guard:
            return self._locks.setdefault((name, number), threading.Lock())

    def _version(self, name: str, number: int) -> StoredVersion | None:
        model = self._models.get(name)
        return model.versions.get(number) if model is not None else None
