"""Reads what lies in a repository: bounded, and never outside of it."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from server.repository.errors import RepositoryError
from server.repository.names import FILE_RULE, is_file_name, shown

MAX_TEXT_BYTES = 1 << 20
"""Limit of a model.yaml, a config.pbtxt or a labels file."""

MAX_ENTRIES = 10_000
"""Limit of the entries of one folder, and of all entries of one version."""

LabelReader = Callable[[str], tuple[str, ...]]
"""Gives the labels of the file of that name in the model's folder."""


def confined(root: Path, path: Path) -> Path:
    """`path` with all links followed, given that it exists inside `root`.

    `root` is resolved already and `path` was built from it. Raises RepositoryError where the path
    is missing, loops, or leads outside.
    """
    label = path.relative_to(root)
    try:
        real = path.resolve(strict=True)
    except (OSError, RuntimeError, ValueError):
        raise RepositoryError(f"{label} does not exist or cannot be opened") from None
    if not real.is_relative_to(root):
        raise RepositoryError(f"{label} leads outside the model repository")
    return real


def list_folder(root: Path, folder: Path) -> list[os.DirEntry[str]]:
    """The entries of `folder` by name; raises RepositoryError where it has too many."""
    label = "the repository" if folder == root else str(folder.relative_to(root))
    entries: list[os.DirEntry[str]] = []
    try:
        with os.scandir(folder) as found:
            for entry in found:
                if len(entries) == MAX_ENTRIES:
                    raise RepositoryError(f"{label} has more than {MAX_ENTRIES} entries")
                entries.append(entry)
    except OSError as error:
        raise RepositoryError(f"{label} cannot be read: {error.strerror}") from None
    return sorted(entries, key=lambda entry: entry.name)


def refuse_escaping_links(root: Path, folder: Path) -> None:
    """Refuse a version in which any link, however deep, leads outside `root`.

    Frameworks follow links inside an artifact by themselves (variables, external data), so looking
    at the artifact alone would not keep a model from reading the host's files.
    """
    seen = 0
    pending, visited = [folder], {folder}
    while pending:
        for entry in list_folder(root, pending.pop()):
            seen += 1
            if seen > MAX_ENTRIES:
                label = folder.relative_to(root)
                raise RepositoryError(f"{label} has more than {MAX_ENTRIES} entries")
            path = Path(entry.path)
            real = confined(root, path) if entry.is_symlink() else path
            if real.is_dir() and real not in visited:
                visited.add(real)
                pending.append(real)


def read_text(root: Path, path: Path, limit: int = MAX_TEXT_BYTES) -> str:
    """The UTF-8 text of a file of at most `limit` bytes.

    Raises RepositoryError naming it relative to `root`.
    """
    label = path.relative_to(root)
    real = confined(root, path)
    if not real.is_file():
        raise RepositoryError(f"{label} is not a regular file")
    try:
        with real.open("rb") as file:
            data = file.read(limit + 1)
    except OSError as error:
        raise RepositoryError(f"{label} cannot be read: {error.strerror}") from None
    if len(data) > limit:
        raise RepositoryError(f"{label} is larger than {limit} bytes")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise RepositoryError(f"{label} is not UTF-8 at byte {error.start}") from None


def label_reader(root: Path, folder: Path) -> LabelReader:
    """A reader of labels files, one label per line, that lie directly in `folder`."""

    def read(name: str) -> tuple[str, ...]:
        if not is_file_name(name):
            raise RepositoryError(f"labels file {shown(name)}: expected {FILE_RULE}")
        labels = tuple(line.strip() for line in read_text(root, folder / name).splitlines())
        if not any(labels):
            raise RepositoryError(f"{(folder / name).relative_to(root)} holds no labels")
        return labels

    return read
