"""Publishes an artifact as a new version: copied aside, hashed, and moved into place at once."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from server.repository.artifacts import find_artifact
from server.repository.copying import (
    Progress,
    PublishError,
    copy_files,
    files_of,
    sync_folder,
    write_synced,
)
from server.repository.errors import RepositoryError
from server.repository.local import read_model
from server.repository.manifest import MANIFEST_NAME, Manifest, parse, render
from server.repository.names import MAX_VERSION, NAME_RULE, is_model_name, parse_version, shown
from server.repository.onnx_external import external_files
from server.repository.settings import ModelSettings

STAGE_PREFIX = ".publish-"

_NAMES = {".onnx": "model.onnx", ".pt": "model.pt", ".pth": "model.pt"}
_TAKEN = (errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR, errno.EISDIR)
_NO_SPACE = (errno.ENOSPC, errno.EDQUOT)


def publish(
    artifact: Path,
    model_folder: Path,
    version: int | None = None,
    progress: Progress = lambda done, total: None,
) -> int:
    """Publish `artifact` as `version` of the model in `model_folder`; the version it became.

    `artifact` is an .onnx, .pt or .pth file, or a folder whose content becomes the version's: a
    SavedModel, or a model with its external data. Without `version` it is the one after the
    highest there is. A model that does not exist yet is made; its repository must exist.

    The version appears whole or not at all, with a manifest.json; whatever goes wrong, nothing is
    left behind. Raises PublishError.
    """
    root, name = _model(model_folder)
    if version is not None and parse_version(str(version)) is None:
        raise PublishError(f"version {version}: expected 1 to {MAX_VERSION}")
    settings = _settings(root, name)
    try:
        if version is not None and os.path.lexists(root / name / str(version)):
            raise PublishError(_exists(name, version))
        sources = _sources(artifact, settings)
        _refuse_full_disk(sources, root)
        with _stage(root, name) as stage:
            _fill(stage, sources, progress)
            _refuse_unknown_artifact(root, stage, settings)
            return _move(stage, root / name, version)
    except OSError as error:
        raise PublishError(_reason(error)) from error


def _model(folder: Path) -> tuple[Path, str]:
    """The resolved repository of a model's folder, and the model's name."""
    name = folder.absolute().name
    if not is_model_name(name):
        raise PublishError(f"model name {shown(name)}: expected {NAME_RULE}")
    try:
        root = folder.absolute().parent.resolve(strict=True)
    except (OSError, RuntimeError):
        raise PublishError(f"there is no model repository {folder.parent}") from None
    if not root.is_dir():
        raise PublishError(f"{folder.parent} is not a folder")
    return root, name


def _settings(root: Path, name: str) -> ModelSettings:
    if not os.path.lexists(root / name):
        return ModelSettings(name=name)
    entry = read_model(root, name)
    if entry.settings is None:
        raise PublishError(f"model {name} could not be served: {entry.error}")
    return entry.settings


def _sources(artifact: Path, settings: ModelSettings) -> dict[str, Path]:
    """The files to copy, by their names in the version's folder."""
    try:
        real = artifact.resolve(strict=True)
    except (OSError, RuntimeError):
        raise PublishError(f"there is no artifact {artifact}") from None
    if real.is_dir():
        sources = files_of(real)
        if not sources.keys() - {MANIFEST_NAME}:
            raise PublishError(f"{artifact} holds no files")
        return sources
    if not real.is_file():
        raise PublishError(f"{artifact} is neither a file nor a folder")
    name = settings.default_artifact or _NAMES.get(artifact.suffix.lower(), "")
    if not name or artifact.name == "saved_model.pb":
        raise PublishError(
            f"{artifact.name} is not an artifact: expected a file named *.onnx, *.pt or *.pth, "
            "or the folder of a SavedModel"
        )
    if artifact.suffix.lower() == ".onnx" and (others := external_files(real)):
        raise PublishError(
            f"{artifact.name} keeps weights in {', '.join(map(shown, others))} beside it; put them "
            "and the model, named model.onnx, into a folder of their own and publish that"
        )
    return {name: real}


def _refuse_full_disk(sources: dict[str, Path], root: Path) -> None:
    needed = sum(path.stat().st_size for path in sources.values())
    free = shutil.disk_usage(root).free
    if needed > free:
        raise PublishError(f"the disk has {free} bytes free, the artifact needs {needed}")


@contextlib.contextmanager
def _stage(root: Path, name: str) -> Iterator[Path]:
    """A hidden folder to build in, in the model's folder where there is one; gone afterwards."""
    above = root / name if (root / name).is_dir() else root
    stage = above / f"{STAGE_PREFIX}{secrets.token_hex(8)}"
    stage.mkdir()
    try:
        yield stage
    finally:
        shutil.rmtree(stage, ignore_errors=True)


def _fill(stage: Path, sources: dict[str, Path], progress: Progress) -> None:
    given = sources.pop(MANIFEST_NAME, None)
    files = copy_files(sources, stage, progress)
    if given is not None:
        # What is published from a version, such as one of another repository, is still as it was.
        try:
            if parse(given.read_text(encoding="utf-8")).files != files:
                raise PublishError(f"the artifact is not what its own {MANIFEST_NAME} says")
        except (RepositoryError, UnicodeDecodeError):
            raise PublishError(f"the artifact holds a {MANIFEST_NAME} of another kind") from None
    created = datetime.now(UTC).isoformat(timespec="seconds")
    write_synced(stage / MANIFEST_NAME, render(Manifest(files, created)))
    sync_folder(stage)


def _refuse_unknown_artifact(root: Path, stage: Path, settings: ModelSettings) -> None:
    try:
        find_artifact(root, stage, settings)
    except RepositoryError as error:
        label = str(stage.relative_to(root))
        raise PublishError(error.reason.replace(label, "the artifact")) from None


def _move(stage: Path, folder: Path, version: int | None) -> int:
    """Give the finished `stage` its place; of two publishers at once, each gets a number."""
    made = not folder.is_dir()
    folder.mkdir(exist_ok=True)
    try:
        while True:
            chosen = _next(folder) if version is None else version
            target = folder / str(chosen)
            try:
                if os.path.lexists(target):
                    raise FileExistsError(errno.EEXIST, "exists")
                stage.rename(target)
            except OSError as error:
                if error.errno not in _TAKEN:
                    raise
                if version is not None:
                    raise PublishError(_exists(folder.name, version)) from None
                continue
            with contextlib.suppress(OSError):  # it is there now, for every reader
                sync_folder(folder)
            return chosen
    except BaseException:
        if made:
            with contextlib.suppress(OSError):
                folder.rmdir()
        raise


def _next(folder: Path) -> int:
    taken = (parse_version(path.name) for path in folder.iterdir())
    highest = max((version for version in taken if version is not None), default=0)
    if highest >= MAX_VERSION:
        raise PublishError(
            f"version {highest} is the highest there can be; name one with --version"
        )
    return highest + 1


def _exists(name: str, version: int) -> str:
    return f"version {version} of {name} is there already, and a published version never changes"


def _reason(error: OSError) -> str:
    if error.errno in _NO_SPACE:
        return "the disk of the model repository is full; nothing was published"
    where = f"{error.filename}: " if error.filename else ""
    return f"{where}{error.strerror}; nothing was published"
