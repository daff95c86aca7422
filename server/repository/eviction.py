"""Decides which cached versions make room for another; pure."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Copy:
    """A cached version, whole or in part: where it lies, bytes on disk, and when it was last used,
    in seconds since the epoch.
    """

    path: Path
    model: str
    version: int
    size: int
    used: float


def evictions(
    copies: Sequence[Copy], in_use: Collection[tuple[str, int]], need: int, limit: int
) -> list[Copy] | None:
    """What to remove so that `need` more bytes fit into `limit`: the least recently used first,
    none that is in use by model and version. None where that does not suffice.
    """
    excess = sum(copy.size for copy in copies) + need - limit
    chosen: list[Copy] = []
    idle = (copy for copy in copies if (copy.model, copy.version) not in in_use)
    for copy in sorted(idle, key=lambda copy: (copy.used, str(copy.path))):
        if excess <= 0:
            break
        chosen.append(copy)
        excess -= copy.size
    return chosen if excess <= 0 else None
