"""The protocol's words for a version's state, as the repository index tells them."""

from __future__ import annotations

from collections.abc import Mapping

UNKNOWN = "UNKNOWN"

_WORDS: Mapping[str, str] = {
    "NEW": "UNAVAILABLE",
    "LOADING": "LOADING",
    "WARMING": "LOADING",
    "READY": "READY",
    "DRAINING": "UNLOADING",
    "UNLOADING": "UNLOADING",
    "ENDED": "UNAVAILABLE",
    "FAILED": "UNAVAILABLE",
}


def protocol_state(state: str) -> str:
    """The index word for one of our lifecycle states; UNKNOWN for a word that is not ours."""
    return _WORDS.get(state, UNKNOWN)
