"""Reaches the folders that are model repositories, and tells one that is gone from an empty one."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from server.repository.errors import RepositoryError
from server.repository.listing import MODEL_CONFIG


@dataclass(frozen=True, slots=True)
class Root:
    """A repository's folder: its number from 1, its resolved path, and which folder that is now.

    `identity` is device and inode. It changes when a file system is mounted there or goes away:
    what then lies at the path is the empty folder underneath, and all models seem removed.
    """

    number: int
    path: Path
    identity: tuple[int, int]


def reach(given: Path, number: int) -> Root:
    """The repository at `given`; raises RepositoryError where there is none.

    The reason tells it by its number, not by its path, because it may be shown to clients.
    """
    return _open(given, number, f"model repository {number}")


def reach_base(given: Path) -> Root:
    """The base path of a model config's entry, as a root of its own; raises RepositoryError."""
    return _open(given, MODEL_CONFIG, "its base path")


def _open(given: Path, number: int, what: str) -> Root:
    try:
        real = given.resolve(strict=True)
        facts = real.stat()
    except FileNotFoundError:
        raise RepositoryError(f"{what} does not exist") from None
    except OSError as error:
        raise RepositoryError(f"{what} cannot be opened: {error.strerror}") from None
    except (RuntimeError, ValueError):
        raise RepositoryError(f"{what} cannot be opened") from None
    if not real.is_dir():
        raise RepositoryError(f"{what} is not a folder")
    return Root(number, real, (facts.st_dev, facts.st_ino))
