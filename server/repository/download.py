"""Downloads a version from an object store into a folder, and goes on where an attempt ended."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Protocol

import structlog

from server.repository.errors import RepositoryError
from server.repository.names import shown
from server.repository.store_keys import StoreObject, key_problem

log = structlog.get_logger()

CHUNK = 8 << 20
SAY_EVERY = 10.0


class ReadsRanges(Protocol):
    """What a download needs of a store."""

    def read(self, key: str, start: int, end: int) -> bytes:
        """The bytes from `start` up to `end`; raises RepositoryError."""


def download(
    store: ReadsRanges,
    files: Mapping[str, StoreObject],
    folder: Path,
    wanted: Callable[[], bool] = lambda: True,
    received: Callable[[int], None] = lambda size: None,
) -> None:
    """Write `files` below `folder`, a folder for just these objects that may hold part of them.

    A file that is not whole is called NAME.part, and its bytes are not read again. `received` is
    told of bytes as they come. Raises RepositoryError; all that came stays for the next attempt.
    """
    progress = _Progress(sum(item.size for item in files.values()), received)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, item in sorted(files.items()):
            if key_problem(name):
                raise RepositoryError(f"the key {shown(name)} is no file's name")
            _fetch(store, item, folder / name, wanted, progress)
    except OSError as error:
        raise RepositoryError(f"the model cache cannot be written: {error.strerror}") from None


def _fetch(
    store: ReadsRanges,
    item: StoreObject,
    path: Path,
    wanted: Callable[[], bool],
    progress: _Progress,
) -> None:
    if path.exists():
        progress.add(item.size, item.key)
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.part")
    with part.open("ab") as file:
        at = file.tell()
        if at > item.size:
            file.truncate(0)
            at = 0
        progress.add(at, item.key)
        while at < item.size:
            if not wanted():
                raise RepositoryError("no longer wanted")
            data = store.read(item.key, at, min(at + CHUNK, item.size))
            if not data or len(data) > item.size - at:
                raise RepositoryError(
                    f"the store gave not just the range asked for of {shown(item.key)}"
                )
            file.write(data)
            file.flush()
            at += len(data)
            progress.add(len(data), item.key, new=True)
    part.replace(path)


class _Progress:
    """Says every now and then how far a download is."""

    def __init__(self, total: int, received: Callable[[int], None]) -> None:
        self._total = total
        self._received = received
        self._done = 0
        self._said = time.monotonic()

    def add(self, size: int, key: str, *, new: bool = False) -> None:
        """Count bytes that are there; `new` ones came just now."""
        self._done += size
        if new:
            self._received(size)
        if time.monotonic() - self._said > SAY_EVERY:
            self._said = time.monotonic()
            log.info("downloading", key=key, bytes=self._done, of=self._total)
