"""Looks into the folder of one model: its settings, its versions and its samples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from os import DirEntry
from pathlib import Path

from server.repository import model_yaml
from server.repository.artifacts import ECHO
from server.repository.bare import BARE_VERSION, bare_artifacts
from server.repository.batching_defaults import BatchingDefaults
from server.repository.errors import RepositoryError
from server.repository.files import confined, list_folder
from server.repository.listing import MODEL_CONFIG, ModelEntry
from server.repository.names import NAME_RULE, VERSION_RULE, is_model_name, parse_version, shown
from server.repository.samples import GOLDEN_FOLDER, WARMUP_FOLDER, sample_files
from server.repository.settings_cache import SETTLE_SECONDS, SettingsCache
from server.repository.versions import Sights, look_at_versions


@dataclass(frozen=True, slots=True)
class Look:
    """The circumstances of one look at the repositories.

    `now` is in seconds since the epoch; a version without a manifest must not have changed for
    `quiet_period` seconds. `settings` and `sights` are what earlier looks left. `batching` is for
    models that say nothing of it.
    """

    now: float
    quiet_period: float = 0.0
    settings: SettingsCache = field(default_factory=SettingsCache)
    sights: Sights = field(default_factory=Sights)
    batching: BatchingDefaults | None = None


def read_model(root: Path, name: str, look: Look, repository: int = 1) -> ModelEntry:
    """The model `name` of the resolved `root`, the repository of that number or a base path.

    Problems end up in the entry's `error`; where the folder cannot be read at all, in its
    `unreachable` too.
    """
    if not is_model_name(name):
        error = f"model name {shown(name)}: expected {NAME_RULE}"
        return ModelEntry(name, root, None, error=error, repository=repository)
    folder = root if repository == MODEL_CONFIG else root / name
    try:
        confined(root, folder)
        entries = list_folder(root, folder)
    except RepositoryError as refused:
        return ModelEntry(
            name, root, None, error=refused.reason, unreachable=refused.reason,
            repository=repository,
        )  # fmt: skip
    return _assemble(root, name, folder, entries, look, repository)


def _assemble(
    root: Path,
    name: str,
    folder: Path,
    entries: Sequence[DirEntry[str]],
    look: Look,
    repository: int,
) -> ModelEntry:
    names = {entry.name for entry in entries}
    settle = min(SETTLE_SECONDS, look.quiet_period)
    reading = look.settings.read(root, folder, names, look.now, settle, name)
    settings, error = reading.settings, reading.error
    if settings is not None and look.batching is not None:
        settings = look.batching.applied_to(settings)
    folders, ignored = _version_folders(entries)
    bare: tuple[str, ...] = ()
    if repository == MODEL_CONFIG and settings is not None and not folders:
        bare = bare_artifacts(names, settings.default_artifact)
    if bare:
        folders, ignored = {BARE_VERSION: folder}, []
    if settings is not None and len(bare) == 1:
        settings = replace(settings, default_artifact=bare[0])
    found = look_at_versions(
        root, folders, look.sights, now=look.now, quiet_period=look.quiet_period,
        may_be_empty=settings is not None and settings.runtime == ECHO,
    )  # fmt: skip
    ignored += found.ignored
    samples: dict[str, tuple[str, ...]] = {}
    for kind in sorted({WARMUP_FOLDER, GOLDEN_FOLDER} & names):
        try:
            samples[kind], passed_over = sample_files(root, folder, kind)
            ignored += passed_over
        except RepositoryError as refused:
            # Not passed over: without its golden checks a model must not be loaded.
            settings, error = None, error or refused.reason
    dues = [due for due in (found.due, reading.due) if due is not None]
    return ModelEntry(
        name=name,
        root=root,
        settings=settings,
        versions=tuple(found.whole),
        error=error,
        ignored=tuple(ignored),
        incomplete=found.incomplete,
        fingerprints=found.fingerprints,
        sizes=found.sizes,
        settings_fingerprint=reading.fingerprint,
        warmup_files=samples.get(WARMUP_FOLDER, ()),
        golden_files=samples.get(GOLDEN_FOLDER, ()),
        repository=repository,
        due=min(dues, default=None),
        bare=bool(bare),
    )


def _version_folders(entries: Sequence[DirEntry[str]]) -> tuple[dict[int, Path], list[str]]:
    """The entries named like a version, and why other candidates are none."""
    folders: dict[int, Path] = {}
    ignored: list[str] = []
    for entry in entries:
        version = parse_version(entry.name)
        if version is not None:
            folders[version] = Path(entry.path)
        elif entry.name.startswith(".") or entry.name in (WARMUP_FOLDER, GOLDEN_FOLDER):
            continue
        elif entry.is_dir(follow_symlinks=False):
            ignored.append(f"folder {shown(entry.name)}: a version is {VERSION_RULE}")
        elif entry.name == "model.yml":
            ignored.append(f"model.yml: expected {model_yaml.FILE_NAME}")
    return folders, ignored
