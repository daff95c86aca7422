"""Reads model repositories and base paths: which models and versions lie there."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from os import DirEntry
from pathlib import Path

from server.repository import model_folder
from server.repository.artifacts import Artifact, find_artifact
from server.repository.base_path import read_served
from server.repository.batching_defaults import BatchingDefaults
from server.repository.errors import RepositoryError
from server.repository.files import confined, list_folder
from server.repository.listing import MODEL_CONFIG, ModelEntry, RepositoryListing
from server.repository.mirror import Mirror
from server.repository.model_folder import Look
from server.repository.names import NAME_RULE, is_model_name, shown
from server.repository.roots import Root, reach
from server.repository.served import ServedModel
from server.repository.settings_cache import SettingsCache
from server.repository.store_bases import StoreBases
from server.repository.survey import survey
from server.repository.verify import verify
from server.repository.versions import Sights


@dataclass(slots=True)
class ScanMemory:
    """What one look at the repositories leaves for the next; give the same to each `scan`.

    For one thread at a time.
    """

    settings: SettingsCache = field(default_factory=SettingsCache)
    sights: Sights = field(default_factory=Sights)
    roots: dict[int, Root] = field(default_factory=dict)
    seen: set[int] = field(default_factory=set)
    listing: RepositoryListing | None = None


def scan(
    roots: Sequence[Path | Mirror],
    *,
    served: Sequence[ServedModel] = (),
    batching: BatchingDefaults | None = None,
    now: float | None = None,
    quiet_period: float = 0.0,
    memory: ScanMemory | None = None,
    stores_may_wait: bool = False,
    bases: StoreBases | None = None,
) -> RepositoryListing:
    """What is `served`, and what lies in `roots`; the first of two models of one name wins.

    `batching` is for models that say nothing of it. `now` is the time in seconds since the epoch,
    read from the clock where left out. A version without a manifest must not have changed for
    `quiet_period` seconds. `bases` is for those of `served` that lie in object stores.

    A root that cannot be read raises RepositoryError at the first look; at a later one, known by
    its `memory`, the listing keeps its models and names it in `unreachable`. So does the first look
    where `stores_may_wait`, for object stores: of those it has what their cache can tell. One bad
    model never raises: it becomes an entry with its error, or stays as it was where its folder
    cannot be read.
    """
    memory = memory or ScanMemory()
    now = time.time() if now is None else now
    look = Look(now, quiet_period, memory.settings, memory.sights, batching)
    pass_ = _Pass(memory, look, stores_may_wait)
    before = memory.listing.models if memory.listing is not None else {}
    if bases is not None:
        bases.begin(served)
    for model in served:
        pass_.add_served(model, bases, before.get(model.name))
    for number, given in enumerate(roots, start=1):
        pass_.add(number, given)
    folders = {entry.folder for entry in pass_.models.values()}
    memory.settings.keep_only(folders)
    memory.sights.keep_only(folders)
    unseen = {n: reason for n, reason in pass_.unreachable.items() if n not in memory.seen}
    unseen |= pass_.unseen
    memory.listing = RepositoryListing(
        pass_.models, tuple(pass_.shadowed), tuple(pass_.ignored), pass_.unreachable, unseen
    )
    return memory.listing


def read_model(root: Path, name: str) -> ModelEntry:
    """The model `name` of the resolved repository `root`; problems end up in its `error`."""
    return model_folder.read_model(root, name, Look(time.time()))


def locate(entry: ModelEntry, version: int) -> Artifact:
    """What a worker is to open for `version` of the model; raises RepositoryError."""
    if entry.settings is None:
        raise RepositoryError(entry.error)
    return find_artifact(entry.root, entry.folder_of(version), entry.settings)


def verify_version(
    entry: ModelEntry, version: int, cancelled: Callable[[], bool] = lambda: False
) -> str:
    """Why `version` is not as its manifest says, "" where it is so or has none.

    Reads all of it: call it in a thread. `cancelled` ends that early.
    """
    return verify(entry.root, entry.folder_of(version), cancelled)


def is_unchanged(entry: ModelEntry, version: int) -> bool:
    """Whether the files of `version` still are as `entry` has them; reads the folder anew."""
    folder = entry.folder_of(version)
    try:
        now = survey(entry.root, confined(entry.root, folder)).fingerprint
    except RepositoryError:
        return False
    return now == entry.fingerprints.get(version, now)


class _Pass:
    """One look at all repositories, in their order."""

    def __init__(self, memory: ScanMemory, look: Look, stores_may_wait: bool) -> None:
        self.models: dict[str, ModelEntry] = {}
        self.shadowed: list[ModelEntry] = []
        self.ignored: list[str] = []
        self.unreachable: dict[int, str] = {}
        self.unseen: dict[int, str] = {}
        self._memory = memory
        self._look = look
        self._stores_may_wait = stores_may_wait

    def add_served(
        self, model: ServedModel, bases: StoreBases | None, before: ModelEntry | None
    ) -> None:
        """Add a model that is named together with its base path."""
        where = model.location
        if isinstance(where, Path) or bases is None:
            self.models[model.name] = read_served(model, self._look, before)
            return
        if before is not None and before.settings is not None:
            before = before if before.settings.origin == model.origin else None
        entry = bases.read(model, where, self._look, before)
        if entry.unreachable and entry.settings is None:
            reason = f"model '{model.name}': {entry.unreachable}"
            if not self._stores_may_wait and self._memory.listing is None:
                raise RepositoryError(reason)
            self.unseen.setdefault(MODEL_CONFIG, reason)
        self.models[model.name] = entry

    def add(self, number: int, given: Path | Mirror) -> None:
        """Add the models of one repository, as they are or as they were last seen."""
        try:
            if isinstance(given, Mirror):
                path, names = given.folder, self._listed(given, number)
            else:
                root = reach(given, number)
                path, names = root.path, self._names(root)
                self._memory.roots[number] = root
            self._memory.seen.add(number)
        except RepositoryError as error:
            self.unreachable[number] = error.reason
            if self._memory.listing is not None:
                self._recall(self._memory.listing, number)
                return
            if not (self._stores_may_wait and isinstance(given, Mirror)):
                raise
            path, names = given.folder, given.recall()
            if names:
                self._memory.seen.add(number)
        self._add(number, given, path, names)
        if isinstance(given, Mirror) and number not in self.unreachable:
            given.remember()

    def _add(self, number: int, given: Path | Mirror, path: Path, names: Sequence[str]) -> None:
        for name in names:
            if name in self.models:
                self._shadow(name, path, number)
            elif isinstance(given, Mirror):
                self.models[name] = given.read(name, self._look, number)
            elif entry := self._read(self._memory.roots[number], name):
                self.models[name] = entry

    def _listed(self, mirror: Mirror, number: int) -> list[str]:
        """The names of the models in an object store; raises RepositoryError."""
        try:
            names, ignored = mirror.look()
        except OSError as error:
            raise RepositoryError(f"the model cache cannot be used: {error.strerror}") from None
        self.ignored += [f"{reason} in repository {number}" for reason in ignored]
        return names

    def _names(self, root: Root) -> list[str]:
        """The names in `root` that may be models'; raises RepositoryError."""
        names: list[str] = []
        ignored: list[str] = []
        for found in list_folder(root.path, root.path):
            if found.name.startswith("."):
                continue
            if reason := _no_model(root.path, found):
                ignored.append(f"{shown(found.name)} in repository {root.number}: {reason}")
            else:
                names.append(found.name)
        before = self._memory.roots.get(root.number)
        if before is not None and before.identity != root.identity and not names:
            raise RepositoryError(
                f"model repository {root.number} is another folder now and holds no model; "
                "is its file system mounted?"
            )
        self.ignored += ignored
        return names

    def _recall(self, listing: RepositoryListing, number: int) -> None:
        for entry in listing.models.values():
            if entry.repository != number:
                continue
            if entry.name in self.models:
                self._shadow(entry.name, entry.root, number)
            else:
                self.models[entry.name] = replace(entry, due=None)

    def _shadow(self, name: str, root: Path, number: int) -> None:
        known = self.models[name].repository
        first = "the model config" if known == MODEL_CONFIG else "an earlier repository"
        error = f"{first} already has a model '{name}'"
        self.shadowed.append(ModelEntry(name, root, None, error=error, repository=number))

    def _read(self, root: Root, name: str) -> ModelEntry | None:
        """The model as it is, as it was last seen, or None where it was removed just now."""
        entry = model_folder.read_model(root.path, name, self._look, root.number)
        if not entry.unreachable:
            return entry
        if not os.path.lexists(root.path / name):
            return None
        listing = self._memory.listing
        before = listing.models.get(name) if listing is not None else None
        if before is None or before.root != root.path:
            return entry
        return replace(before, unreachable=entry.unreachable, due=None)


def _no_model(root: Path, found: DirEntry[str]) -> str:
    """Why an entry of a repository is not a model at all, "" where it may be one."""
    if not is_model_name(found.name):
        return f"not a model name; expected {NAME_RULE}"
    try:
        return "" if confined(root, Path(found.path)).is_dir() else "not a folder"
    except (RepositoryError, OSError):
        return ""  # a model by its name; its entry will carry the error
