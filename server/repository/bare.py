"""Recognises a base path that is itself the one version: it holds an artifact, no folders; pure."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import PurePath

from server.repository.artifacts import MARKERS, SUFFIXES

BARE_VERSION = 1
"""The version as which such a folder is served."""


def bare_artifacts(names: Collection[str], configured: str = "") -> tuple[str, ...]:
    """What of `names`, the entries of a base path without numbered folders, may be its artifact.

    `configured` is the artifact that the settings name, "" for none. Where nothing has an
    artifact's own name, every file whose suffix tells a runtime counts, because downloads keep the
    names that files have in their store.
    """
    if configured:
        return (configured,) if configured in names else ()
    own = sorted({PurePath(marker).parts[0] for marker in MARKERS} & set(names))
    return tuple(own or sorted(name for name in names if _tells_runtime(name)))


def _tells_runtime(name: str) -> bool:
    return not name.startswith(".") and PurePath(name).suffix.lower() in SUFFIXES
