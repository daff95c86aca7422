"""Recognises what a version folder holds: which runtime opens it, and by which path."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from server.repository.errors import RepositoryError
from server.repository.files import confined, refuse_escaping_links
from server.repository.names import FILE_RULE, is_file_name
from server.repository.settings import ModelSettings

ECHO = "echo"
ONNX = "onnx"
TORCHSCRIPT = "torchscript"
SAVEDMODEL = "savedmodel"
RUNTIMES = (ECHO, ONNX, SAVEDMODEL, TORCHSCRIPT)

_SAVED_MODEL_FILE = "saved_model.pb"
_SAVED_MODEL_FOLDER = "model.savedmodel"
RUNTIME_OF = {
    "model.onnx": ONNX,
    "model.pt": TORCHSCRIPT,
    _SAVED_MODEL_FILE: SAVEDMODEL,
    f"{_SAVED_MODEL_FOLDER}/{_SAVED_MODEL_FILE}": SAVEDMODEL,
}
MARKERS = tuple(RUNTIME_OF)
"""The names by which an artifact is recognised, relative to its version folder."""

_BY_SUFFIX = {".onnx": ONNX, ".pt": TORCHSCRIPT, ".pth": TORCHSCRIPT, ".pb": SAVEDMODEL}
SUFFIXES = tuple(_BY_SUFFIX)
"""The suffixes that tell a file's runtime."""


@dataclass(frozen=True, slots=True)
class Artifact:
    """What a worker is to open: the runtime's name and the absolute path, links followed."""

    runtime: str
    path: Path


@dataclass(frozen=True, slots=True)
class _Found:
    """An artifact as it is named inside the version folder."""

    name: str
    runtime: str
    path: Path


def find_artifact(root: Path, folder: Path, settings: ModelSettings) -> Artifact:
    """The artifact of the version folder `folder` inside the resolved repository `root`.

    Raises RepositoryError where there is none, more than one, one of another runtime than
    configured, or anything that leads outside the repository.
    """
    label = "the base path" if folder == root else str(folder.relative_to(root))
    try:
        return _artifact(root, confined(root, folder), label, settings)
    except OSError as error:
        raise RepositoryError(f"{label} cannot be read: {error.strerror}") from None


def _artifact(root: Path, version_folder: Path, label: str, settings: ModelSettings) -> Artifact:
    if not version_folder.is_dir():
        raise RepositoryError(f"{label} is not a folder")
    refuse_escaping_links(root, version_folder)
    if settings.runtime == ECHO:
        return Artifact(ECHO, version_folder)
    if settings.default_artifact:
        found = [_named(version_folder, label, settings)]
    else:
        found = [
            _Found(marker, runtime, _opened(version_folder, marker, runtime))
            for marker, runtime in RUNTIME_OF.items()
            if (version_folder / marker).is_file()
        ]
    chosen = _only(found, settings.runtime, label)
    return Artifact(chosen.runtime, confined(root, chosen.path))


def _opened(folder: Path, marker: str, runtime: str) -> Path:
    """A SavedModel is opened by its folder, everything else by its file."""
    path = folder / marker
    return path.parent if runtime == SAVEDMODEL else path


def _only(found: list[_Found], runtime: str, label: str) -> _Found:
    if not found:
        looked_for = ", ".join(MARKERS)
        raise RepositoryError(f"{label} holds no artifact; looked for {looked_for}")
    fitting = [item for item in found if runtime in ("", item.runtime)]
    if not fitting:
        others = ", ".join(f"{item.name} ({item.runtime})" for item in found)
        raise RepositoryError(f"{label}: runtime is set to '{runtime}', but it holds {others}")
    if len(fitting) > 1:
        names = " and ".join(f"{item.name} ({item.runtime})" for item in fitting)
        raise RepositoryError(
            f"{label} holds {names}; expected one artifact. "
            "Remove the others, or name one with 'runtime' or 'artifact' in model.yaml"
        )
    return fitting[0]


def _named(folder: Path, label: str, settings: ModelSettings) -> _Found:
    """The artifact that the settings name, with its runtime told by what it is."""
    name = settings.default_artifact
    if not is_file_name(name):
        raise RepositoryError(f"the artifact's name: expected {FILE_RULE}")
    path = folder / name
    if path.is_dir():
        if not (path / _SAVED_MODEL_FILE).is_file():
            raise RepositoryError(f"{label}/{name} is a folder without {_SAVED_MODEL_FILE}")
        return _Found(name, SAVEDMODEL, path)
    if not path.is_file():
        raise RepositoryError(f"{label} holds no {name}, which is set as its artifact")
    runtime = _BY_SUFFIX.get(path.suffix.lower(), settings.runtime)
    if not runtime:
        raise RepositoryError(
            f"{label}/{name} does not tell its runtime by its name; "
            f"set 'runtime' to one of {', '.join(RUNTIMES)}"
        )
    if runtime == SAVEDMODEL and name != _SAVED_MODEL_FILE:
        raise RepositoryError(f"{label}/{name}: a SavedModel's file is named {_SAVED_MODEL_FILE}")
    return _Found(name, runtime, _opened(folder, name, runtime))
