"""What of a model in an object store is fetched with every look, where it is new: settings, labels,
samples and manifests.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from server.repository.download import ReadsRanges
from server.repository.errors import RepositoryError
from server.repository.manifest import MANIFEST_NAME, MAX_MANIFEST_BYTES, Manifest, parse
from server.repository.names import parse_version
from server.repository.store_keys import StoredModel, StoreObject

MAX_SMALL_BYTES = 64 << 20
"""Limit of the settings, labels and samples of one model together."""


def bring_small(store: ReadsRanges, folder: Path, model: StoredModel, have: dict[str, str]) -> None:
    """Make the model's folder hold its small files as the store has them, and no others. `have` are
    the tags of those that lie there; it is kept up.
    """
    folder.mkdir(exist_ok=True)
    if sum(item.size for item in model.small.values()) > MAX_SMALL_BYTES:
        model.refused = f"its settings and samples have more than {MAX_SMALL_BYTES} bytes"
    if model.refused:
        return
    for path in [*folder.iterdir(), *folder.glob("*/*")]:
        label = path.relative_to(folder).as_posix()
        first = label.partition("/")[0]
        if first.startswith(".") or parse_version(first) is not None or path.is_dir():
            continue
        if label not in model.small:
            path.unlink(missing_ok=True)
            have.pop(label, None)
    for label, item in model.small.items():
        if have.get(label) != item.tag or not (folder / label).is_file():
            _write(folder / label, store.read(item.key, 0, item.size))
            have[label] = item.tag


def manifests(
    store: ReadsRanges, model: StoredModel, known: Mapping[str, Manifest | str]
) -> dict[str, Manifest | str]:
    """The manifests of the model's versions, or what is wrong with them, by fingerprint. Those that
    are `known` already are not read again.
    """
    held: dict[str, Manifest | str] = {}
    for version in model.versions.values():
        item = version.files.get(MANIFEST_NAME)
        if item is not None:
            mark = version.fingerprint
            held[mark] = known.get(mark) or _manifest(store, item)
    return held


def _manifest(store: ReadsRanges, item: StoreObject) -> Manifest | str:
    if item.size > MAX_MANIFEST_BYTES:
        return f"{MANIFEST_NAME} is larger than {MAX_MANIFEST_BYTES} bytes"
    try:
        text = store.read(item.key, 0, item.size).decode("utf-8")
    except UnicodeDecodeError:
        return f"{MANIFEST_NAME} is not UTF-8"
    try:
        return parse(text)
    except RepositoryError as refused:
        return refused.reason


def _write(path: Path, data: bytes) -> None:
    """Replace a file in one step."""
    try:
        path.parent.mkdir(exist_ok=True)
        new = path.with_name(f".{path.name}.new")
        new.write_bytes(data)
        new.replace(path)
    except OSError as error:
        raise RepositoryError(f"the model cache cannot be written: {error.strerror}") from None
