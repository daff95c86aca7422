"""Sorts the keys of an object store into models, versions and files; pure.

A key is what somebody wrote: none may ever become a path outside the folder that it belongs to.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from hashlib import blake2b

from server.repository import files
from server.repository.manifest import MANIFEST_NAME
from server.repository.names import (
    CONFIG_PBTXT,
    MODEL_YAML,
    NAME_RULE,
    VERSION_RULE,
    is_file_name,
    is_model_name,
    parse_version,
    shown,
)
from server.repository.samples import GOLDEN_FOLDER, MAX_SAMPLES, WARMUP_FOLDER
from server.repository.survey import Survey, is_unfinished

MAX_KEY = 1024
MAX_PART = 250
"""Bytes of a file's name, so that `.part` can follow it while it is downloaded."""
MAX_DEPTH = 32
MAX_NOTES = 20
_SETTINGS = (MODEL_YAML, CONFIG_PBTXT)
MAX_SMALL_FILES = 64
"""Limit of the files that lie directly in a model's folder: its settings and labels."""
MAX_SAMPLE_BYTES = 16 << 20


@dataclass(frozen=True, slots=True)
class StoreObject:
    """One object: its key below the repository, size in bytes, time of its last change in seconds
    since the epoch (0 where the store does not say), and a tag that differs where its content does.
    """

    key: str
    size: int
    modified: float
    tag: str


@dataclass(slots=True)
class StoredVersion:
    """The objects of one version by their names in its folder; `refused` is why it is never whole,
    "" where nothing stands against it.
    """

    files: dict[str, StoreObject] = field(default_factory=dict)
    refused: str = ""
    unfinished: str = ""

    @property
    def size(self) -> int:
        """Bytes of all objects."""
        return sum(item.size for item in self.files.values())

    @property
    def fingerprint(self) -> str:
        """What changes with any object's name, size or content."""
        digest = blake2b(digest_size=16)
        for name, item in sorted(self.files.items()):
            digest.update(repr((name, item.size, item.tag)).encode("utf-8", "backslashreplace"))
        return digest.hexdigest()

    def survey(self) -> Survey:
        """The version as a walk through a folder would describe it."""
        held = {n: item.size for n, item in sorted(self.files.items()) if n != MANIFEST_NAME}
        newest = max((item.modified for item in self.files.values()), default=0.0)
        return Survey(
            held, int(newest * 1e9), self.unfinished, MANIFEST_NAME in self.files, self.fingerprint
        )


@dataclass(slots=True)
class StoredModel:
    """One model: `small` are its settings, labels and samples by their names in its folder;
    `refused` is why it cannot be served, "" where nothing stands against it.
    """

    small: dict[str, StoreObject] = field(default_factory=dict)
    versions: dict[int, StoredVersion] = field(default_factory=dict)
    ignored: list[str] = field(default_factory=list)
    refused: str = ""


@dataclass(frozen=True, slots=True)
class Arrangement:
    """All models of one repository by name, and what in it belongs to none."""

    models: Mapping[str, StoredModel]
    ignored: tuple[str, ...]


def arrange(objects: Iterable[StoreObject]) -> Arrangement:
    """Sort `objects` by the models that their keys name."""
    models: dict[str, StoredModel] = {}
    ignored: dict[str, None] = {}
    for item in objects:
        name, slash, rest = item.key.partition("/")
        if name.startswith("."):
            continue
        if not slash or not is_model_name(name):
            why = f"not a model name; expected {NAME_RULE}" if slash else "not in a model's folder"
            _note(ignored, f"{shown(name)}: {why}")
            continue
        _add(models.setdefault(name, StoredModel()), rest, item)
    for model in models.values():
        for version in model.versions.values():
            version.refused = version.refused or _conflict(version.files)
    return Arrangement(models, tuple(ignored))


def key_problem(name: str) -> str:
    """Why `name`, a key below a version, is no path below a folder; "" where it is one.

    A key that ends with a slash stands for a folder and is no file's.
    """
    if len(name.encode("utf-8", "surrogatepass")) > MAX_KEY:
        return "it is too long"
    parts = name.split("/")
    if len(parts) > MAX_DEPTH:
        return "it is too deep"
    for part in parts:
        if part in ("", ".", ".."):
            return "an empty part, . or .. is in it"
        if not part.isprintable() or "\\" in part:
            return "a backslash or a character that cannot be printed is in it"
        if len(part.encode()) > MAX_PART:
            return f"a part is longer than {MAX_PART} bytes"
    return ""


def _add(model: StoredModel, rest: str, item: StoreObject) -> None:
    first, slash, name = rest.partition("/")
    number = parse_version(first) if slash else None
    if number is not None:
        _add_to_version(model.versions.setdefault(number, StoredVersion()), name, item)
    elif slash and first in (WARMUP_FOLDER, GOLDEN_FOLDER):
        held = sum(known.startswith(first + "/") for known in model.small)
        if is_file_name(name) and held <= MAX_SAMPLES:
            _add_small(model, rest, item, MAX_SAMPLE_BYTES)
    elif slash and not first.startswith("."):
        _note_once(model.ignored, f"folder {shown(first)}: a version is {VERSION_RULE}")
    elif not slash and is_file_name(first) and _room_for_small(model):
        _add_small(model, first, item, files.MAX_TEXT_BYTES)


def _room_for_small(model: StoredModel) -> bool:
    return sum("/" not in known for known in model.small) < MAX_SMALL_FILES


def _add_small(model: StoredModel, name: str, item: StoreObject, limit: int) -> None:
    needed = name in _SETTINGS or name.startswith(f"{GOLDEN_FOLDER}/")
    if item.size > limit and needed:
        model.refused = f"{shown(name)} is larger than {limit} bytes"
    elif item.size > limit:
        _note_once(model.ignored, f"{shown(name)}: larger than {limit} bytes")
    else:
        model.small[name] = item


def _add_to_version(version: StoredVersion, name: str, item: StoreObject) -> None:
    if not name or name.endswith("/"):
        return  # stands for a folder
    if len(version.files) >= files.MAX_ENTRIES:
        version.refused = f"it has more than {files.MAX_ENTRIES} entries"
    elif problem := key_problem(name):
        version.refused = f"the key {shown(name)} is no file's name: {problem}"
    elif any(is_unfinished(part) for part in name.split("/")):
        version.unfinished = version.unfinished or name
    elif not any(part.startswith(".") for part in name.split("/")):
        version.files[name] = item


def _conflict(held: Mapping[str, StoreObject]) -> str:
    for name in held:
        parent = name.rpartition("/")[0]
        while parent:
            if parent in held:
                return f"{shown(parent)} is both a file and a folder"
            parent = parent.rpartition("/")[0]
    return ""


def _note(notes: dict[str, None], text: str) -> None:
    if len(notes) < MAX_NOTES:
        notes[text] = None


def _note_once(notes: list[str], text: str) -> None:
    if text not in notes and len(notes) < MAX_NOTES:
        notes.append(text)
