"""The manifest.json of a version: which files it consists of, with their sizes and hashes; pure."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass

from server.repository.errors import RepositoryError
from server.repository.names import shown

MANIFEST_NAME = "manifest.json"
MAX_MANIFEST_BYTES = 4 << 20
MAX_FILES = 10_000
MAX_SIZE = 1 << 53
"""Largest size in bytes that every reader of JSON keeps exact."""

_SHA256 = re.compile(r"[0-9a-f]{64}")
_NAME = re.compile(r"[^/\0.][^/\0]{0,254}(/[^/\0.][^/\0]{0,254}){0,31}")


@dataclass(frozen=True, slots=True)
class ManifestFile:
    """One file of a version: its size in bytes and its SHA-256 in lower-case hexadecimal digits."""

    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """All files of a version by their names relative to its folder, with `/` between folders.

    `created` says when, for people; it is never compared.
    """

    files: Mapping[str, ManifestFile]
    created: str = ""


def render(manifest: Manifest) -> str:
    """The text of a manifest.json."""
    content = {
        "created": manifest.created,
        "files": {name: asdict(file) for name, file in sorted(manifest.files.items())},
    }
    return json.dumps(content, indent=2) + "\n"


def parse(text: str) -> Manifest:
    """The manifest in `text`; raises RepositoryError saying what is wrong with it."""
    try:
        data = json.loads(text)
    except (ValueError, RecursionError):
        raise _refusal("not JSON, or not all of it is there yet") from None
    given = data.get("files") if isinstance(data, dict) else None
    if not isinstance(given, dict) or not given:
        raise _refusal('expected {"files": {NAME: {"size": BYTES, "sha256": HEX}}}')
    if len(given) > MAX_FILES:
        raise _refusal(f"{len(given)} files, expected at most {MAX_FILES}")
    created = data.get("created", "")
    return Manifest(
        {name: _file(name, facts) for name, facts in given.items()},
        created if isinstance(created, str) else "",
    )


def _file(name: str, facts: object) -> ManifestFile:
    if _NAME.fullmatch(name) is None:
        raise _refusal(
            f"file {shown(name)}: expected a relative name, no part of which starts with a dot"
        )
    if name == MANIFEST_NAME:
        raise _refusal("it names itself")
    size = facts.get("size") if isinstance(facts, dict) else None
    sha256 = facts.get("sha256") if isinstance(facts, dict) else None
    if type(size) is not int or not 0 <= size <= MAX_SIZE:
        raise _refusal(f"file {shown(name)}: expected its size in bytes as 'size'")
    if not isinstance(sha256, str) or _SHA256.fullmatch(sha256) is None:
        raise _refusal(f"file {shown(name)}: expected 64 hexadecimal digits as 'sha256'")
    return ManifestFile(size, sha256)


def _refusal(reason: str) -> RepositoryError:
    return RepositoryError(f"{MANIFEST_NAME}: {reason}")
