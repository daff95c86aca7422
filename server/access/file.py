"""The file that says who may do what: YAML, with tokens known by their SHA-256 only.

anonymous: []
tokens:
  - name: shop
    sha256: 2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae
    may: [infer]
"""

from __future__ import annotations

import re
from pathlib import Path

from server.access.rules import Holder, Right, Rules
from server.bounded_file import BoundedFileError, read_bounded
from server.repository.names import shown
from server.repository.plain_yaml import PlainYamlError, load

MAX_BYTES = 2**20
MAX_TOKENS = 1_000

NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}")
NAME_RULE = "1 to 64 letters, digits, dots, hyphens and underscores"
_DIGEST = re.compile(r"[0-9a-f]{64}")


class AccessFileError(Exception):
    """The file is wrong; the text says where, and what is expected."""


def read_access_file(path: Path) -> bytes:
    """What is in it, for `rules_in`. Raises AccessFileError."""
    try:
        return read_bounded(path, MAX_BYTES)
    except BoundedFileError as error:
        raise AccessFileError(str(error)) from None


def rules_in(content: bytes) -> Rules:
    """The rules that the content of a file means. Raises AccessFileError."""
    try:
        return rules_of(load(content.decode()))
    except UnicodeDecodeError:
        raise AccessFileError("expected UTF-8") from None
    except PlainYamlError as error:
        raise AccessFileError(f"not plain YAML: {error}") from None


def rules_of(document: object) -> Rules:
    """The rules that a document means. Raises AccessFileError."""
    if not isinstance(document, dict):
        raise AccessFileError("expected `tokens:` and, where needed, `anonymous:`")
    _no_others(document, ("anonymous", "tokens"), "")
    tokens = document.get("tokens", [])
    if not isinstance(tokens, list) or len(tokens) > MAX_TOKENS:
        raise AccessFileError(f"tokens: expected a list of at most {MAX_TOKENS}")
    holders: dict[str, Holder] = {}
    for index, entry in enumerate(tokens):
        digest, holder = _token(entry, f"tokens[{index}]")
        if digest in holders:
            raise AccessFileError(
                f"tokens[{index}].sha256: '{holders[digest].name}' has the same token"
            )
        holders[digest] = holder
    return Rules(_rights(document.get("anonymous", []), "anonymous"), holders)


def _token(entry: object, where: str) -> tuple[str, Holder]:
    if not isinstance(entry, dict):
        raise AccessFileError(f"{where}: expected name, sha256 and may")
    _no_others(entry, ("name", "sha256", "may"), f"{where}.")
    name, digest = entry.get("name"), entry.get("sha256")
    if not isinstance(name, str) or not NAME.fullmatch(name):
        raise AccessFileError(f"{where}.name: expected {NAME_RULE}")
    if not isinstance(digest, str) or not _DIGEST.fullmatch(digest):
        raise AccessFileError(
            f"{where}.sha256: expected 64 digits 0-9 and a-f in quotes, not the token itself; "
            "`underway token` makes both"
        )
    return digest, Holder(name, _rights(entry.get("may"), f"{where}.may"))


def _rights(given: object, where: str) -> frozenset[Right]:
    if not isinstance(given, list) or any(right not in list(Right) for right in given):
        raise AccessFileError(f"{where}: expected a list of {', '.join(Right)}")
    return frozenset(Right(right) for right in given)


def _no_others(entry: dict[object, object], known: tuple[str, ...], where: str) -> None:
    for key in entry:
        if key not in known:
            raise AccessFileError(
                f"{where}{shown(str(key))}: expected nothing but {', '.join(known)}"
            )
