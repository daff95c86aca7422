"""The folder in which versions from object stores are kept: one server's, bounded in bytes.

CACHE/STORE/MODEL/VERSION is a whole version, .VERSION.source beside it says which objects it is
made of, and .VERSION.FINGERPRINT.part is one that is being downloaded.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import shutil
import threading
from collections.abc import Collection, Iterator
from pathlib import Path

import structlog

from server.repository.errors import RepositoryError
from server.repository.eviction import Copy, evictions
from server.repository.names import parse_version

log = structlog.get_logger()

_PART = re.compile(r"\.([1-9][0-9]{0,18})\.[0-9a-f]{32}\.part")


class ModelCache:
    """Safe for threads. Raises RepositoryError where the folder cannot be used, or another server
    uses it.
    """

    def __init__(self, folder: Path, limit: int) -> None:
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            self.folder = folder.resolve(strict=True)
            self._held = (self.folder / ".lock").open("w")
        except (OSError, RuntimeError) as error:
            raise RepositoryError(f"cannot be used: {_why(error)}") from None
        try:
            fcntl.flock(self._held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self._held.close()
            raise RepositoryError("another server uses it; give each one its own folder") from None
        self.limit = limit
        self._lock = threading.Lock()
        self._in_use: set[tuple[str, int]] = set()

    def close(self) -> None:
        """Let another server use the folder."""
        self._held.close()

    def use(self, model: str, version: int) -> None:
        """From here on `version` of `model` is not removed, until `keep_only` says otherwise."""
        with self._lock:
            self._in_use.add((model, version))

    def keep_only(self, in_use: Collection[tuple[str, int]]) -> None:
        """All but these models' versions may be removed where room is needed."""
        with self._lock:
            self._in_use &= set(in_use)

    def make_room(self, need: int) -> None:
        """See to it that `need` more bytes fit; raises RepositoryError where they cannot."""
        with self._lock:
            copies = list(self._copies())
            chosen = evictions(copies, self._in_use, need, self.limit)
            if chosen is None:
                held = sum(c.size for c in copies if (c.model, c.version) in self._in_use)
                raise RepositoryError(
                    f"it needs {need} bytes of --model-cache-bytes {self.limit}, {held} of which "
                    "hold versions in use; raise it, or serve fewer versions"
                )
            for copy in chosen:
                log.info("removed from the model cache", model=copy.model, version=copy.version,
                         bytes=copy.size)  # fmt: skip
                remove(copy.path)
        free = shutil.disk_usage(self.folder).free
        if free < need:
            raise RepositoryError(f"it needs {need} bytes, the disk of --model-cache has {free}")

    def size(self) -> int:
        """Bytes of all versions in the cache."""
        return sum(copy.size for copy in self._copies())

    def _copies(self) -> Iterator[Copy]:
        for model in self.folder.glob("*/*/"):
            with contextlib.suppress(OSError):
                for entry in list(os.scandir(model)):
                    part = _PART.fullmatch(entry.name)
                    version = parse_version(part[1] if part else entry.name)
                    if version is not None:
                        path = Path(entry.path)
                        yield Copy(path, model.name, version, folder_bytes(path), _used(path))


def source_of(copy: Path) -> Path:
    """The file beside a whole version that names what it was made of; its time is the last use."""
    return copy.with_name(f".{copy.name}.source")


def remove(path: Path) -> None:
    """Remove a copy, whole or not; first that it counts as whole."""
    source_of(path).unlink(missing_ok=True)
    shutil.rmtree(path, ignore_errors=True)


def _used(path: Path) -> float:
    for candidate in (source_of(path), path):
        with contextlib.suppress(OSError):
            return candidate.stat().st_mtime
    return 0.0


def folder_bytes(folder: Path) -> int:
    """Bytes of all files below `folder`."""
    total = 0
    for here, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(OSError):
                total += (Path(here) / name).lstat().st_size
    return total


def _why(error: BaseException) -> str:
    return (error.strerror if isinstance(error, OSError) else "") or type(error).__name__
