"""What a look at the model repositories found."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from server.repository.settings import ModelSettings

MODEL_CONFIG = 0
"""In place of a repository's number: the model config."""


@dataclass(frozen=True, slots=True)
class ModelEntry:
    """One model as it lies in a repository.

    `root` is the repository's resolved folder, `repository` its number from 1. Of a model that a
    model config names, `root` is its base path, and `repository` is MODEL_CONFIG. Exactly one of
    `settings` and `error` is set; an `error` is no reason to unload what was loaded before it.
    `settings_fingerprint` changes with the content of the files that the settings came from.

    `versions` are those that may be loaded, ascending: whole ones. `incomplete` are there too, each
    with the reason why it may not be loaded (yet). `fingerprints` has both kinds where they could
    be read; a version whose fingerprint changes after it was loaded was changed in place. `sizes`
    are the bytes of the files of each.

    `warmup_files` (.npz, .json) and `golden_files` (.npz) are absolute paths, ascending by name.
    `ignored` says what in the model's folder was passed over, and why. `unreachable` is why the
    folder could not be read this time, "" where it could; the rest is then as it was last seen.
    `due` is the time, in seconds since the epoch, at which a next look will find more; None where
    nothing here is only a matter of time. `bare`: the folder is itself the one version.
    `mirrored`: the model lies in an object store, and `root` is the folder of its copies, in which
    a version is only once it was fetched.
    """

    name: str
    root: Path
    settings: ModelSettings | None
    versions: tuple[int, ...] = ()
    error: str = ""
    ignored: tuple[str, ...] = ()
    incomplete: Mapping[int, str] = field(default_factory=dict)
    fingerprints: Mapping[int, str] = field(default_factory=dict)
    sizes: Mapping[int, int] = field(default_factory=dict)
    settings_fingerprint: str = ""
    warmup_files: tuple[str, ...] = ()
    golden_files: tuple[str, ...] = ()
    unreachable: str = ""
    repository: int = 1
    due: float | None = None
    mirrored: bool = False
    bare: bool = False

    @property
    def folder(self) -> Path:
        """The folder whose subfolders are the versions."""
        return self.root if self.repository == MODEL_CONFIG else self.root / self.name

    def folder_of(self, version: int) -> Path:
        """Where `version` lies, links not followed."""
        return self.folder if self.bare else self.folder / str(version)

    def candidates(self, serving: Collection[int]) -> tuple[int, ...]:
        """The versions among which a version policy chooses while `serving` are loaded, ascending.

        Those that may be loaded, and those loaded that are still there: a version that changes in
        place stays as loaded, even while it could not be loaded anew.
        """
        still_there = (version for version in serving if version in self.incomplete)
        return tuple(sorted({*self.versions, *still_there}))


@dataclass(frozen=True, slots=True)
class RepositoryListing:
    """All models of all repositories.

    `shadowed` are models whose name an earlier repository already has; `ignored` says what lies
    directly in a repository and is no model, and why. `unreachable` gives, by its number from 1,
    why a repository could not be read this time; its models are then listed as they were last
    seen, so that nothing is unloaded on their account. `unseen` are those of them of which nothing
    is known yet, because they could not be read since the start either.

    `trouble` is why the model config's file is not followed, "" where it is; `notes` say what in it
    has no effect. `config_due` is when a change in it will be read, as ModelEntry.due.
    """

    models: Mapping[str, ModelEntry]
    shadowed: tuple[ModelEntry, ...] = ()
    ignored: tuple[str, ...] = ()
    unreachable: Mapping[int, str] = field(default_factory=dict)
    unseen: Mapping[int, str] = field(default_factory=dict)
    trouble: str = ""
    notes: tuple[str, ...] = ()
    config_due: float | None = None

    @property
    def due(self) -> float | None:
        """When to look again though nothing changes, in seconds since the epoch; None: no need."""
        dues = [self.config_due, *(model.due for model in self.models.values())]
        return min((due for due in dues if due is not None), default=None)
