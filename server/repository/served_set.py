"""The models of the model config as they are now: those of its file, or of the last call."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from server.repository.errors import RepositoryError
from server.repository.files import read_text
from server.repository.served import ServedModel
from server.repository.settings_cache import SETTLE_SECONDS, TRUST_SECONDS, stamp_of
from server.repository.tfs_models import parse_models


@dataclass(frozen=True, slots=True)
class Served:
    """The models at one moment; `trouble` is why the file is not followed, "" where it is.

    `notes` say what in the file has no effect.

    `due` is the time, in seconds since the epoch, at which a change just made will be read.
    """

    models: tuple[ServedModel, ...]
    trouble: str = ""
    notes: tuple[str, ...] = ()
    due: float | None = None


class ServedSet:
    """Whatever was said last holds, by the file or by a call; may be used by several threads.

    A file that cannot be read, or is wrong, leaves the models as they are.
    """

    def __init__(self, models: Sequence[ServedModel] = (), file: Path | None = None) -> None:
        """Read `file` where there is one, in place of `models`. Raises RepositoryError."""
        self.file = file
        self._lock = threading.Lock()
        self._trouble = ""
        self._read_at = 0.0
        self._stamp = stamp_of(file) if file else None
        self._in_file, self._notes = _read(file) if file else (tuple(models), ())
        self._models = self._in_file

    @property
    def models(self) -> tuple[ServedModel, ...]:
        """The models as last said."""
        with self._lock:
            return self._models

    def replace(self, models: Sequence[ServedModel]) -> None:
        """Have these models, until the file says something new or they are replaced again."""
        with self._lock:
            self._models = tuple(models)

    def look(self, now: float, settle: float) -> Served:
        """The models after a look at the file, which must not have changed for `settle` seconds:
        an editor may still be writing it. One thread at a time.
        """
        due = self._follow(self.file, now, min(settle, SETTLE_SECONDS)) if self.file else None
        return Served(self.models, self._trouble, self._notes, due)

    def _follow(self, file: Path, now: float, settle: float) -> float | None:
        stamp = stamp_of(file)
        changed = stamp[3] / 1e9 if stamp else 0.0
        if stamp == self._stamp and self._read_at > changed + TRUST_SECONDS:
            return None
        if changed <= now < changed + settle:
            return changed + settle
        self._stamp, self._read_at = stamp, now
        try:
            models, self._notes = _read(file)
        except RepositoryError as refused:
            self._trouble, self._read_at = refused.reason, 0.0  # short, and soon put right
            return None
        self._trouble = ""
        if models != self._in_file:
            self._in_file = models
            self.replace(models)
        return None


def _read(file: Path) -> tuple[tuple[ServedModel, ...], tuple[str, ...]]:
    try:
        real = file.resolve(strict=True)
    except (OSError, RuntimeError, ValueError):
        raise RepositoryError(f"{file.name} does not exist or cannot be opened") from None
    return parse_models(read_text(real.parent, real), file.name)
