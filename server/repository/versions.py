"""Looks at the version folders of a model: which are whole, and how each looks."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from server.repository.completeness import (
    Sight,
    Verdict,
    first_seen,
    judge_manifest,
    judge_quiet,
)
from server.repository.errors import RepositoryError
from server.repository.files import confined
from server.repository.survey import Survey, survey
from server.repository.verify import read_manifest


class Sights:
    """All version folders as last seen, by their paths. For one thread at a time."""

    def __init__(self) -> None:
        self._seen: dict[Path, Sight] = {}
        self._looked_at: set[Path] = set()

    def look(
        self, root: Path, folder: Path, *, now: float, quiet_period: float, may_be_empty: bool
    ) -> tuple[Survey, Verdict]:
        """What lies in the resolved `folder`, and whether it is whole; raises RepositoryError."""
        self._looked_at.add(folder)
        found = survey(root, folder)
        before = self._seen.get(folder)
        if before is not None and before.whole and before.is_same(found):
            return found, Verdict("")
        since = first_seen(before, found, now)
        self._seen[folder] = Sight(found, since, whole=False)
        manifest = read_manifest(root, folder) if found.has_manifest else None
        if manifest is not None:
            verdict = judge_manifest(found, manifest)
        else:
            verdict = judge_quiet(
                found, now=now, since=since, quiet_period=quiet_period, may_be_empty=may_be_empty
            )
        self._seen[folder] = Sight(found, since, verdict.whole)
        return found, verdict

    def keep_only(self, models: Collection[Path]) -> None:
        """At the end of a pass, forget what is gone: the versions of all models but those whose
        folders are `models`, and of those models that were looked at the versions that were not.
        """

        def model_of(folder: Path) -> Path:  # a base path may be itself the one version
            return folder if folder in models else folder.parent

        # A model that could not be read is as it was, and so are all its versions.
        read = {model_of(folder) for folder in self._looked_at}
        self._seen = {
            folder: sight
            for folder, sight in self._seen.items()
            if model_of(folder) in models
            and (folder in self._looked_at or model_of(folder) not in read)
        }
        self._looked_at.clear()


@dataclass(slots=True)
class FoundVersions:
    """The version folders of one model; see ModelEntry for the fields."""

    whole: list[int] = field(default_factory=list)
    incomplete: dict[int, str] = field(default_factory=dict)
    fingerprints: dict[int, str] = field(default_factory=dict)
    sizes: dict[int, int] = field(default_factory=dict)
    ignored: list[str] = field(default_factory=list)
    due: float | None = None


def look_at_versions(
    root: Path, folders: Mapping[int, Path], sights: Sights, *,
    now: float, quiet_period: float, may_be_empty: bool,
) -> FoundVersions:  # fmt: skip
    """Look at each of `folders`, the entries of a model in `root` that are named like a version."""
    found = FoundVersions()
    for version, folder in sorted(folders.items()):
        try:
            real = confined(root, folder)
            if not real.is_dir():
                found.ignored.append(f"'{version}': not a folder")
                continue
            seen, verdict = sights.look(
                root, real, now=now, quiet_period=quiet_period, may_be_empty=may_be_empty
            )
        except RepositoryError as error:
            if os.path.lexists(folder):  # else it was removed just now
                found.incomplete[version] = error.reason
            continue
        found.fingerprints[version] = seen.fingerprint
        found.sizes[version] = seen.size
        if verdict.whole:
            found.whole.append(version)
        else:
            found.incomplete[version] = verdict.reason
            if verdict.due is not None:
                found.due = min(verdict.due, found.due or verdict.due)
    return found
