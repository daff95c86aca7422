"""Guesses which runtimes the repositories will need, from names alone and in a moment.

The guess only gives processes a head start: what it misses is started when it is asked for, and
nothing that a look at the repositories finds depends on it.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

from server.repository.artifacts import RUNTIME_OF
from server.repository.names import MODEL_YAML, parse_version

MOST_FOLDERS = 256
"""Models of one repository that are looked at, and versions of one model."""

_OWN_WORD, _MOST_BYTES = b"runtime:", 64 * 2**10


def runtimes_at_a_glance(repositories: Sequence[object]) -> frozenset[str]:
    """The runtimes of the newest versions in those `repositories` that are folders.

    Raises nothing: what cannot be read is said by those who really look.
    """
    found: set[str] = set()
    for repository in repositories:
        if isinstance(repository, Path):
            for model in _folders(repository):
                with contextlib.suppress(OSError):
                    found.update(_runtimes(model))
    return frozenset(found)


def _runtimes(model: Path) -> Iterator[str]:
    settings = model / MODEL_YAML
    if settings.exists() and _OWN_WORD in settings.read_bytes()[:_MOST_BYTES]:
        return  # it says its runtime itself, which need not be what its files look like
    versions = {parse_version(one.name): one for one in _folders(model)}
    newest = max((number for number in versions if number is not None), default=None)
    if newest is not None:
        for marker, runtime in RUNTIME_OF.items():
            if (versions[newest] / marker).exists():
                yield runtime


def _folders(parent: Path) -> list[Path]:
    with contextlib.suppress(OSError), os.scandir(parent) as entries:
        return [Path(entry) for entry in islice(entries, MOST_FOLDERS) if entry.is_dir()]
    return []
