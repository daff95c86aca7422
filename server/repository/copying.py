"""Copies an artifact file by file, hashing on the way and leaving it safely on the disk."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Callable, Mapping
from pathlib import Path

from server.repository.files import MAX_ENTRIES
from server.repository.manifest import ManifestFile

CHUNK = 1 << 20

Progress = Callable[[int, int], None]
"""Is told the bytes copied so far and the bytes there are in all."""


class PublishError(Exception):
    """An artifact cannot be published; the message is for the person who tries to."""


def files_of(folder: Path) -> dict[str, Path]:
    """The files in the resolved `folder`, however deep, by their names relative to it.

    Hidden ones are left out. Links are followed as long as they stay in `folder`. Raises
    PublishError for one that leaves it, for what is neither file nor folder, and for too many.
    """
    found: dict[str, Path] = {}
    pending = [(folder, "", frozenset({folder}))]
    while pending:
        here, prefix, above = pending.pop()
        for path in sorted(here.iterdir()):
            name = prefix + path.name
            if path.name.startswith("."):
                continue
            real = _inside(folder, path, name)
            mode = real.stat().st_mode
            if stat.S_ISDIR(mode):
                if real in above:
                    raise PublishError(f"{name} is a link to a folder that it lies in")
                pending.append((real, f"{name}/", above | {real}))
            elif stat.S_ISREG(mode):
                found[name] = real
            else:
                raise PublishError(f"{name} is neither a file nor a folder")
            if len(found) + len(pending) > MAX_ENTRIES:
                raise PublishError(f"the artifact has more than {MAX_ENTRIES} files")
    return found


def copy_files(
    sources: Mapping[str, Path], target: Path, progress: Progress
) -> dict[str, ManifestFile]:
    """Copy each of `sources` to its name below `target`; their sizes and hashes.

    Everything is synced to the disk. Raises PublishError where a file changes meanwhile, OSError
    where one cannot be read or written.
    """
    total = sum(path.stat().st_size for path in sources.values())
    done = 0
    copied: dict[str, ManifestFile] = {}
    folders = {target}
    for name, source in sorted(sources.items()):
        destination = target / name
        destination.parent.mkdir(parents=True, exist_ok=True)
        folders.update(parent for parent in destination.parents if parent.is_relative_to(target))
        before = done

        def step(size: int, before: int = before) -> None:
            progress(before + size, total)

        copied[name] = _copy(source, destination, name, step)
        done += copied[name].size
    for folder in folders:
        sync_folder(folder)
    return copied


def write_synced(path: Path, text: str) -> None:
    """Write a new file and sync it to the disk."""
    with path.open("x", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def sync_folder(folder: Path) -> None:
    """Sync the names in `folder` to the disk."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _inside(folder: Path, path: Path, name: str) -> Path:
    try:
        real = path.resolve(strict=True)
    except (OSError, RuntimeError):
        raise PublishError(f"{name} is a link that leads nowhere") from None
    if not real.is_relative_to(folder):
        raise PublishError(f"{name} is a link out of the artifact; copy what it points to instead")
    return real


def _copy(source: Path, destination: Path, name: str, step: Callable[[int], None]) -> ManifestFile:
    digest = hashlib.sha256()
    size = 0
    with source.open("rb", buffering=0) as reader, destination.open("xb", buffering=0) as writer:
        before = os.fstat(reader.fileno())
        while chunk := reader.read(CHUNK):
            digest.update(chunk)
            write_all(writer.fileno(), chunk)
            size += len(chunk)
            step(size)
        after = os.fstat(reader.fileno())
        os.fsync(writer.fileno())
    if size != after.st_size or before.st_mtime_ns != after.st_mtime_ns:
        raise PublishError(f"{name} changed while it was being copied; publish it when it is done")
    return ManifestFile(size, digest.hexdigest())


def write_all(handle: int, data: bytes) -> None:
    """Write all of `data`; a single write may take less of it."""
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(handle, rest) :]
