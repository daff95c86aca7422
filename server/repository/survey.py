"""Walks a version folder by stat alone: what lies there, how large, and when it last changed."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path

from server.repository import files
from server.repository.errors import RepositoryError
from server.repository.files import confined, list_folder
from server.repository.manifest import MANIFEST_NAME

_UNFINISHED = re.compile(
    # Names that tools give to what they are still writing, rsync's hidden `.name.6 letters` and
    # its `.~tmp~` among them.
    r".*\.(tmp|temp|part|partial|crdownload|filepart)|\..+\.[A-Za-z0-9]{6}|\.~tmp~"
    r"|\.(syncthing|goutputstream|mutagen-temporary)[.-].*",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Survey:
    """What a version folder holds, hidden names and manifest.json left out.

    `files` gives each file's size in bytes by its name relative to the folder. `newest` is the
    latest ctime in nanoseconds of anything inside, 0 where nothing is: ctime, because copying tools
    preserve other times and none can set it; the folder's own is left out, because an atomic
    rename touches just that. `unfinished` is the first name that says it is still being written.
    `fingerprint` changes with names, sizes and modification times, not with owner, mode or link
    count, which backups and deduplication change.
    """

    files: Mapping[str, int]
    newest: int
    unfinished: str
    has_manifest: bool
    fingerprint: str

    @property
    def size(self) -> int:
        """Bytes in all files."""
        return sum(self.files.values())


def survey(root: Path, folder: Path) -> Survey:
    """Walk the resolved version folder `folder` of the resolved repository `root`.

    Links to inside `root` are followed. Raises RepositoryError where anything cannot be read, or is
    more than files.MAX_ENTRIES.
    """
    return _Walk(root, folder).run()


def is_unfinished(name: str) -> bool:
    """Whether a file's or folder's name says that it is still being written."""
    return _UNFINISHED.fullmatch(name) is not None


class _Walk:
    def __init__(self, root: Path, folder: Path) -> None:
        self._root = root
        self._folder = folder
        self._pending: list[tuple[Path, str]] = [(folder, "")]
        self._visited = {folder}
        self._facts: dict[str, tuple[int, int]] = {}
        self._newest = 0
        self._unfinished = ""
        self._has_manifest = False

    def run(self) -> Survey:
        seen = 0
        while self._pending:
            here, prefix = self._pending.pop()
            for entry in list_folder(self._root, here):
                seen += 1
                if seen > files.MAX_ENTRIES:
                    label = self._folder.relative_to(self._root)
                    raise RepositoryError(f"{label} has more than {files.MAX_ENTRIES} entries")
                self._take(entry, prefix + entry.name)
        ordered = sorted(self._facts.items())
        digest = blake2b(digest_size=16)
        for name, (size, modified) in ordered:
            digest.update(os.fsencode(f"{name}\0{size}\0{modified}\n"))
        return Survey(
            {name: size for name, (size, _) in ordered},
            self._newest, self._unfinished, self._has_manifest, digest.hexdigest(),
        )  # fmt: skip

    def _take(self, entry: os.DirEntry[str], name: str) -> None:
        if is_unfinished(entry.name) and not self._unfinished:
            self._unfinished = name
        if entry.name.startswith("."):
            return
        path = Path(entry.path)
        try:
            facts = entry.stat(follow_symlinks=False)
            self._newest = max(self._newest, facts.st_ctime_ns)
            if entry.is_symlink() and (real := self._followed(path)):
                path, facts = real, real.stat()
        except OSError as error:
            label = path.relative_to(self._root)
            raise RepositoryError(f"{label} cannot be read: {error.strerror}") from None
        self._newest = max(self._newest, facts.st_ctime_ns)
        if stat.S_ISDIR(facts.st_mode):
            if path not in self._visited:
                self._visited.add(path)
                self._pending.append((path, f"{name}/"))
        elif name == MANIFEST_NAME:
            self._has_manifest = True
        else:
            self._facts[name] = (facts.st_size, facts.st_mtime_ns)

    def _followed(self, path: Path) -> Path | None:
        """Where a link leads; None for one out of the repository, which loading refuses by name."""
        try:
            return confined(self._root, path)
        except RepositoryError:
            if path.exists():
                return None
            raise
