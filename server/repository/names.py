"""Which names the model repository accepts for models, version folders and files; pure."""

from __future__ import annotations

import re

MODEL_YAML, CONFIG_PBTXT = "model.yaml", "config.pbtxt"
"""A model's settings, in our form and in Triton's."""

MAX_VERSION = 2**63 - 1
NAME_RULE = "1 to 128 of A-Z a-z 0-9 _ . -, not starting with . or -"
VERSION_RULE = "a positive integer without leading zeros"
FILE_RULE = "1 to 255 of A-Z a-z 0-9 _ . -, not starting with . or -, and no folder"

LABEL_RULE = "1 to 64 of A-Z a-z 0-9 _ -, starting with a letter"

LABEL_PATTERN = r"^[A-Za-z][A-Za-z0-9_-]{0,63}$"
FILE_PATTERN = r"^[A-Za-z0-9_][A-Za-z0-9_.-]{0,254}$"

_MODEL = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
_FILE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,254}")
_LABEL = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,63}")
_VERSION = re.compile(r"[1-9][0-9]{0,18}")


def is_model_name(name: str) -> bool:
    """True where `name` follows NAME_RULE; slashes, `..`, NUL and look-alikes never do."""
    return _MODEL.fullmatch(name) is not None


def is_file_name(name: str) -> bool:
    """True where `name` follows FILE_RULE, so that joining it to a folder stays in that folder."""
    return _FILE.fullmatch(name) is not None


def is_label(name: str) -> bool:
    """True where `name` follows LABEL_RULE; a label is never mistaken for a version number."""
    return _LABEL.fullmatch(name) is not None


def parse_version(name: str) -> int | None:
    """The version a folder's name stands for, or None where it stands for none.

    One version has exactly one spelling, so that two folders can never be the same version.
    """
    if _VERSION.fullmatch(name) is None:
        return None
    version = int(name)
    return version if version <= MAX_VERSION else None


def shown(name: str) -> str:
    """`name` quoted, escaped and cut, fit for a message however strange it is."""
    return repr(name if len(name) <= 64 else name[:61] + "...")
