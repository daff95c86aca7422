"""Reads a model's settings, and again only when one of the files they came from has changed."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from hashlib import blake2b
from pathlib import Path

from server.repository import model_yaml, triton_config
from server.repository.errors import RepositoryError
from server.repository.files import LabelReader, label_reader, read_text
from server.repository.names import is_file_name
from server.repository.settings import ModelSettings

SETTLE_SECONDS = 0.5
"""A file that changed less than this ago may still be half written by an editor."""

TRUST_SECONDS = 2.0
"""Two changes within one tick of a file system's clock look like one (up to a second or two)."""

_READERS: Mapping[str, Callable[[str, str, LabelReader], ModelSettings]] = {
    model_yaml.FILE_NAME: model_yaml.parse_model_yaml,
    triton_config.FILE_NAME: triton_config.parse_triton_config,
}

Stamp = tuple[int, int, int, int] | None


@dataclass(frozen=True, slots=True)
class SettingsReading:
    """A model's settings, or why they cannot be read: exactly one of `settings` and `error`.

    `fingerprint` changes with the content of any file that they came from. `due` is the time, in
    seconds since the epoch, at which a change that was just made will be read; None where none was.
    """

    settings: ModelSettings | None
    error: str
    fingerprint: str
    due: float | None = None


@dataclass(frozen=True, slots=True)
class _Kept:
    reading: SettingsReading
    stamps: Mapping[str, Stamp]
    trusted: bool


class SettingsCache:
    """The settings of all models as last read, by the model's folder and name. For one thread at a
    time.
    """

    def __init__(self) -> None:
        self._kept: dict[tuple[Path, str], _Kept] = {}

    def read(
        self,
        root: Path,
        folder: Path,
        names: Collection[str],
        now: float,
        settle: float,
        model: str = "",
    ) -> SettingsReading:
        """The settings of `model` (named as its folder where left out) in `folder`, whose entries
        are `names`.

        Settings that were read before stay for `settle` seconds after a file of theirs changed. A
        file whose content is wrong is read again each time: it is short, and soon put right.
        """
        present = [name for name in _READERS if name in names]
        key = folder, model or folder.name
        before = self._kept.get(key)
        if before is not None:
            stamps = {name: stamp_of(folder / name) for name in (*present, *before.stamps)}
            if before.trusted and stamps == before.stamps:
                return before.reading
            settled = (
                max((stamp[3] for stamp in stamps.values() if stamp), default=0) / 1e9 + settle
            )
            if settled - settle <= now < settled and before.reading.settings is not None:
                return replace(before.reading, due=settled)
        kept = _read(root, folder, key[1], present, now)
        self._kept[key] = kept
        return kept.reading

    def keep_only(self, folders: Collection[Path]) -> None:
        """Forget all models but those in `folders`."""
        self._kept = {key: kept for key, kept in self._kept.items() if key[0] in folders}


def _read(root: Path, folder: Path, model: str, present: list[str], now: float) -> _Kept:
    # Stamped before reading: a change in between is then seen next time.
    stamps = {name: stamp_of(folder / name) for name in present}
    digest = blake2b(digest_size=16)
    read_labels = label_reader(root, folder)

    def recorded_labels(name: str) -> tuple[str, ...]:
        if is_file_name(name):
            stamps[name] = stamp_of(folder / name)
        labels = read_labels(name)
        digest.update(repr((name, labels)).encode())
        return labels

    settings, error = None, ""
    try:
        if len(present) > 1:
            raise RepositoryError(f"both {' and '.join(present)} are there; keep one of them")
        if present:
            text = read_text(root, folder / present[0])
            digest.update(repr((present[0], text)).encode())
            settings = _READERS[present[0]](text, model, recorded_labels)
        else:
            settings = ModelSettings(name=model)
    except RepositoryError as refused:
        error = refused.reason
        digest.update(error.encode())
    newest = max((stamp[3] for stamp in stamps.values() if stamp), default=0) / 1e9
    trusted = settings is not None and newest + TRUST_SECONDS <= now
    return _Kept(SettingsReading(settings, error, digest.hexdigest()), stamps, trusted)


def stamp_of(path: Path) -> Stamp:
    """What changes with a file: inode, size, mtime and ctime in ns; None where it is not there."""
    try:
        found = path.stat()
    except (OSError, ValueError):
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns
