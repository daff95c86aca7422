"""What a look at the model repositories found."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from server.repository.settings import ModelSettings


@dataclass(frozen=True, slots=True)
class ModelEntry:
    """One model as it lies in a repository.

    `root` is the repository's resolved folder, `repository` its number from 1. Exactly one of
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
    nothing here is only a matter of time.
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
    seen, so that nothing is unloaded on their account.
    """

    models: Mapping[str, ModelEntry]
    shadowed: tuple[ModelEntry, ...] = ()
    ignored: tuple[str, ...] = ()
    unreachable: Mapping[int, str] = field(default_factory=dict)

    @property
    def due(self) -> float | None:
        """When to look again though nothing changes, in seconds since the epoch; None: no need."""
        return min((m.due for m in self.models.values() if m.due is not None), default=None)
