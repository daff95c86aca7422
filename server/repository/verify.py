"""Compares a version's files with the hashes of its manifest, right before it is loaded."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

from server.repository.completeness import judge_manifest
from server.repository.errors import RepositoryError
from server.repository.files import confined, read_text
from server.repository.manifest import MANIFEST_NAME, MAX_MANIFEST_BYTES, Manifest, parse
from server.repository.names import shown
from server.repository.survey import survey

CHUNK = 1 << 20


def verify(root: Path, folder: Path, cancelled: Callable[[], bool] = lambda: False) -> str:
    """Why the version folder `folder` of the resolved repository `root` is not what was published.

    "" where all files are there with the sizes and hashes of its manifest.json, or where it has no
    manifest. Reads every byte: call it in a thread. `cancelled` is asked before each MiB, because a
    thread cannot be stopped from outside.
    """
    try:
        real = confined(root, folder)
        manifest = read_manifest(root, real)
        if manifest is None:
            return ""
        if reason := judge_manifest(survey(root, real), manifest).reason:
            return reason
        for name, file in manifest.files.items():
            if _sha256(confined(root, real / name), cancelled) != file.sha256:
                return f"the content of {shown(name)} does not have the SHA-256 of {MANIFEST_NAME}"
    except RepositoryError as error:
        return error.reason
    except OSError as error:
        return f"{folder.relative_to(root)} cannot be read: {error.strerror}"
    except _Cancelled:
        return "no longer wanted"
    return ""


def read_manifest(root: Path, folder: Path) -> Manifest | None:
    """The manifest of a version folder, None where it has none; raises RepositoryError."""
    path = folder / MANIFEST_NAME
    if not path.is_symlink() and not path.exists():
        return None
    return parse(read_text(root, path, MAX_MANIFEST_BYTES))


class _Cancelled(Exception):
    """The version is not wanted any more."""


def _sha256(path: Path, cancelled: Callable[[], bool]) -> str:
    digest = hashlib.sha256()
    with path.open("rb", buffering=0) as file:
        while not cancelled():
            chunk = file.read(CHUNK)
            if not chunk:
                return digest.hexdigest()
            digest.update(chunk)
    raise _Cancelled
