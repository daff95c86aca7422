"""The hidden file that says a folder is a demo repository: by which builder, how good, complete."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

# Hidden, so that a server scanning the repository takes it for no model.
MARKER = ".underway-demo.json"
ABOUT = "Written by `underway demo`; it tells this folder from one of your own. Safe to read."
SOURCES = ("*.py", "*.yaml")

Facts = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class FileRecord:
    """One written file."""

    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """`files` are keyed by their path below the repository; `facts` is what the build found out
    (framework versions, accuracy, parity, samples), as JSON. Not `complete`: was being replaced.
    """

    fingerprint: str
    complete: bool
    files: Mapping[str, FileRecord]
    facts: Facts


def builder_fingerprint(folder: Path = Path(__file__).parent) -> str:
    """A hash over a package's sources, this one's by default: other sources, other models."""
    digest = hashlib.sha256()
    for source in sorted(path for pattern in SOURCES for path in folder.glob(pattern)):
        digest.update(f"{source.name}\0".encode())
        digest.update(hashlib.sha256(source.read_bytes()).digest())
    return digest.hexdigest()


def record_files(folder: Path) -> dict[str, FileRecord]:
    """Sizes and hashes of all files below the folder."""
    records: dict[str, FileRecord] = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            with path.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
            records[path.relative_to(folder).as_posix()] = FileRecord(path.stat().st_size, digest)
    return records


def files_are_there(folder: Path, manifest: Manifest) -> bool:
    """Whether every recorded file stands there with its size; no file is read, so it is quick."""
    try:
        return all(
            (folder / name).stat().st_size == record.size for name, record in manifest.files.items()
        )
    except OSError:
        return False


def write(folder: Path, manifest: Manifest) -> None:
    """Write or replace the marker in one step."""
    content = {"about": ABOUT, **manifest.facts}
    content["fingerprint"] = manifest.fingerprint
    content["complete"] = manifest.complete
    content["files"] = {name: asdict(record) for name, record in manifest.files.items()}
    partial = folder / f"{MARKER}.tmp"
    partial.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    os.replace(partial, folder / MARKER)  # noqa: PTH105 - said as what it is


def read(folder: Path) -> Manifest | None:
    """The folder's manifest; None where there is none or it isn't one."""
    try:
        content = json.loads((folder / MARKER).read_text(encoding="utf-8"))
        fingerprint = content.pop("fingerprint")
        complete = content.pop("complete")
        files = {
            name: FileRecord(int(entry["size"]), str(entry["sha256"]))
            for name, entry in content.pop("files").items()
        }
        return Manifest(str(fingerprint), complete is True, files, content)
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None
