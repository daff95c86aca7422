"""Which versions an object store held whole when it was last listed: kept beside their copies, for
a start at which the store is down.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path

from server.repository.names import is_model_name, parse_version

LastSeen = Mapping[str, Mapping[int, str]]
"""Fingerprints of whole versions, by model and version."""

NAME = ".last-seen.json"
MAX_BYTES = 32 << 20
_FORMAT = 1
_FINGERPRINT = re.compile(r"[0-9a-f]{32}")


def keep(folder: Path, seen: LastSeen) -> None:
    """Write it down in one step; raises OSError."""
    models = {name: {str(number): mark for number, mark in versions.items()}
              for name, versions in seen.items()}  # fmt: skip
    new = folder / f"{NAME}.new"
    new.write_text(json.dumps({"format": _FORMAT, "models": models}), "utf-8")
    new.replace(folder / NAME)


def recall(folder: Path) -> dict[str, dict[int, str]]:
    """What was kept; empty where nothing was, and where it is not as `keep` writes it."""
    path = folder / NAME
    try:
        if path.stat().st_size > MAX_BYTES:
            return {}
        document = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    if not isinstance(document, dict) or document.get("format") != _FORMAT:
        return {}
    models = document.get("models")
    if not isinstance(models, dict):
        return {}
    return {
        name: _versions(versions)
        for name, versions in models.items()
        if is_model_name(name) and isinstance(versions, dict)
    }


def _versions(versions: Mapping[str, object]) -> dict[int, str]:
    known: dict[int, str] = {}
    for text, mark in versions.items():
        number = parse_version(text)
        if number is not None and isinstance(mark, str) and _FINGERPRINT.fullmatch(mark):
            known[number] = mark
    return known
