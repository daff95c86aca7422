"""Reads model repositories that are local folders: which models and versions lie there."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from os import DirEntry
from pathlib import Path

from server.repository import model_yaml, triton_config
from server.repository.artifacts import Artifact, find_artifact
from server.repository.errors import RepositoryError
from server.repository.files import LabelReader, confined, label_reader, list_folder, read_text
from server.repository.names import (
    NAME_RULE,
    VERSION_RULE,
    is_model_name,
    parse_version,
    shown,
)
from server.repository.settings import ModelSettings

_READERS: dict[str, Callable[[str, str, LabelReader], ModelSettings]] = {
    model_yaml.FILE_NAME: model_yaml.parse_model_yaml,
    triton_config.FILE_NAME: triton_config.parse_triton_config,
}


@dataclass(frozen=True, slots=True)
class ModelEntry:
    """One model as it lies in a repository.

    `root` is the repository's resolved folder, `versions` are ascending. Exactly one of `settings`
    and `error` is set. `ignored` says what in the model's folder was passed over, and why.
    """

    name: str
    root: Path
    settings: ModelSettings | None
    versions: tuple[int, ...] = ()
    error: str = ""
    ignored: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RepositoryListing:
    """All models of all repositories.

    `shadowed` are models whose name an earlier repository already has; `ignored` says what lies
    directly in a repository and is no model, and why.
    """

    models: Mapping[str, ModelEntry]
    shadowed: tuple[ModelEntry, ...] = ()
    ignored: tuple[str, ...] = ()


def scan(roots: Sequence[Path]) -> RepositoryListing:
    """What lies in `roots`, read afresh; the first of two models of one name wins.

    Raises RepositoryError where a root is missing or cannot be read. One bad model does not: it
    becomes an entry with its error.
    """
    models: dict[str, ModelEntry] = {}
    shadowed: list[ModelEntry] = []
    ignored: list[str] = []
    for number, given in enumerate(roots, start=1):
        root = _resolved(given, number)
        for found in list_folder(root, root):
            if found.name.startswith("."):
                continue
            if reason := _no_model(root, found):
                ignored.append(f"{shown(found.name)} in repository {number}: {reason}")
            elif found.name in models:
                error = f"an earlier repository already has a model '{found.name}'"
                shadowed.append(ModelEntry(found.name, root, None, error=error))
            else:
                models[found.name] = read_model(root, found.name)
    return RepositoryListing(models, tuple(shadowed), tuple(ignored))


def read_model(root: Path, name: str) -> ModelEntry:
    """The model `name` of the resolved repository `root`; problems end up in its `error`."""
    if not is_model_name(name):
        error = f"model name {shown(name)}: expected {NAME_RULE}"
        return ModelEntry(name, root, None, error=error)
    folder = root / name
    try:
        confined(root, folder)
        entries = list_folder(root, folder)
    except RepositoryError as error:
        return ModelEntry(name, root, None, error=error.reason)
    versions, ignored = _versions(root, entries)
    try:
        settings = _settings(root, folder, {entry.name for entry in entries})
    except RepositoryError as error:
        return ModelEntry(name, root, None, versions, error.reason, ignored)
    return ModelEntry(name, root, settings, versions, ignored=ignored)


def locate(entry: ModelEntry, version: int) -> Artifact:
    """What a worker is to open for `version` of the model; raises RepositoryError."""
    if entry.settings is None:
        raise RepositoryError(entry.error)
    return find_artifact(entry.root, entry.root / entry.name / str(version), entry.settings)


def _resolved(root: Path, number: int) -> Path:
    # By number, not by path: the reason may be shown to clients.
    try:
        real = root.resolve(strict=True)
    except (OSError, RuntimeError, ValueError):
        raise RepositoryError(f"model repository {number} does not exist") from None
    if not real.is_dir():
        raise RepositoryError(f"model repository {number} is not a folder")
    return real


def _no_model(root: Path, found: DirEntry[str]) -> str:
    """Why an entry of a repository is not a model at all, "" where it may be one."""
    if not is_model_name(found.name):
        return f"not a model name; expected {NAME_RULE}"
    try:
        return "" if confined(root, Path(found.path)).is_dir() else "not a folder"
    except (RepositoryError, OSError):
        return ""  # a model by its name; its entry will carry the error


def _versions(
    root: Path, entries: Sequence[DirEntry[str]]
) -> tuple[tuple[int, ...], tuple[str, ...]]:
    """The version folders among `entries`, and why other candidates are none."""
    versions: list[int] = []
    ignored: list[str] = []
    for entry in entries:
        version = parse_version(entry.name)
        if entry.name.startswith("."):
            continue
        if version is None:
            if entry.is_dir(follow_symlinks=False):
                ignored.append(f"folder {shown(entry.name)}: a version is {VERSION_RULE}")
            elif entry.name == "model.yml":
                ignored.append(f"model.yml: expected {model_yaml.FILE_NAME}")
            continue
        try:
            real = confined(root, Path(entry.path))
        except RepositoryError as error:
            ignored.append(error.reason)
            continue
        if real.is_dir():
            versions.append(version)
        else:
            ignored.append(f"{shown(entry.name)}: not a folder")
    return tuple(sorted(versions)), tuple(ignored)


def _settings(root: Path, folder: Path, names: set[str]) -> ModelSettings:
    present = [name for name in _READERS if name in names]
    if not present:
        return ModelSettings(name=folder.name)
    if len(present) > 1:
        raise RepositoryError(f"both {' and '.join(present)} are there; keep one of them")
    text = read_text(root, folder / present[0])
    return _READERS[present[0]](text, folder.name, label_reader(root, folder))
