"""Moves finished models to where they are wanted, whole or not at all, and touches nothing else."""

from __future__ import annotations

import errno
import secrets
import shutil
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import replace
from enum import Enum, auto
from pathlib import Path

from server.demo import manifest as manifests
from server.demo.errors import DemoError
from server.demo.manifest import Manifest
from server.demo.naming import MODELS, VERSION

OWN_PREFIX = ".underway-demo"


class State(Enum):
    """What stands at the target: nothing, all we would write, or an earlier builder's work."""

    FRESH = auto()
    COMPLETE = auto()
    OUTDATED = auto()


def inspect(directory: Path, fingerprint: str) -> State:
    """Look at the target; raises DemoError where it holds what isn't ours."""
    if not directory.exists():
        return State.FRESH
    if not directory.is_dir():
        raise DemoError(f"{directory} is a file; a directory is needed")
    if all(_is_leftover(path) for path in directory.iterdir()):
        return State.FRESH
    found = manifests.read(directory)
    if found is None:
        raise DemoError(
            f"{directory} is not empty and holds no demo repository, so nothing was written. "
            "Give a new or an empty directory."
        )
    current = found.complete and found.fingerprint == fingerprint
    if current and manifests.files_are_there(directory, found):
        return State.COMPLETE
    _refuse_unknown_files(directory, found.files.keys())
    return State.OUTDATED


@contextmanager
def staging(directory: Path) -> Iterator[Path]:
    """A hidden folder to build in, on the target's file system; gone afterwards, come what may."""
    # Inside the target where that exists: it may be a mount, and nothing can be renamed onto one.
    above = next(path for path in (directory, *directory.parents) if path.exists())
    stage = above / f"{OWN_PREFIX}-{secrets.token_hex(6)}.tmp"
    stage.mkdir()
    try:
        yield stage
    finally:
        shutil.rmtree(stage, ignore_errors=True)


def publish(stage: Path, directory: Path, manifest: Manifest) -> None:
    """Put the staged models in place: in one rename, or version by version if the target exists."""
    if directory.exists():
        _publish_into(stage, directory, manifest)
        return
    manifests.write(stage, manifest)
    directory.parent.mkdir(parents=True, exist_ok=True)
    try:
        stage.rename(directory)
    except OSError as error:
        if error.errno in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR):
            raise DemoError(f"{directory} was made by someone else meanwhile; try again") from error
        raise


def _publish_into(stage: Path, directory: Path, manifest: Manifest) -> None:
    before = manifests.read(directory)
    known = {**(before.files if before else {}), **manifest.files}
    _refuse_unknown_files(directory, before.files.keys() if before else ())
    # Until all is in place the marker says so; the next build then takes up from here.
    manifests.write(directory, replace(manifest, complete=False, files=known))
    for model in MODELS:
        target = directory / model / VERSION
        if target.exists():
            target.rename(stage / f"replaced-{model}")
        target.parent.mkdir(exist_ok=True)
        (stage / model / VERSION).rename(target)
    manifests.write(directory, manifest)


def _refuse_unknown_files(directory: Path, known: Collection[str]) -> None:
    """Only the version folders we wrote are ever replaced, and only if all in them is ours."""
    for model in MODELS:
        for path in (directory / model / VERSION).rglob("*"):
            name = path.relative_to(directory).as_posix()
            if not path.is_dir() and name not in known:
                raise DemoError(
                    f"{directory} holds {name}, which the demo did not write and would have to "
                    "replace. Move it away or give another directory."
                )


def _is_leftover(path: Path) -> bool:
    """Whether this is what a build that was killed outright left behind."""
    return path.name.startswith(f"{OWN_PREFIX}-") and path.name.endswith(".tmp")
