"""An access file with one token per right, and clients that show them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from server.access.rules import Right, digest_of

TOKENS: Mapping[str, str] = {right.value: f"uw_the_token_of_{right.value}" for right in Right}
GUESS = "uw_the_token_of_nobody"


def write_access(path: Path, *, without: str = "", anonymous: tuple[str, ...] = ()) -> Path:
    """Write the file in one step; every right's token may do that alone."""
    tokens = [
        {"name": right, "sha256": digest_of(token), "may": [right]}
        for right, token in TOKENS.items()
        if right != without
    ]
    aside = path.with_suffix(".aside")
    # JSON is YAML.
    aside.write_text(json.dumps({"anonymous": list(anonymous), "tokens": tokens}))
    aside.replace(path)
    return path


def showing(token: str) -> dict[str, str]:
    """Headers, or metadata, that show a token; none for ""."""
    return {"authorization": f"Bearer {token}"} if token else {}
