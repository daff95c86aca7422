"""Which load answers a name, and what is said where none does: the same words in every process."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TypeVar

from server.errors import RETRY_AFTER, NotFound, Unavailable

Load = TypeVar("Load")


def resolve(model: str, version: str, routes: Mapping[str, Load], known: Collection[int]) -> Load:
    """The load that `routes` gives for `version`: "" for the default, a number, or a label.

    `known` are the versions that exist, whether or not they can answer. Raises NotFound for what
    is unknown, Unavailable for what is known and cannot answer.
    """
    found = routes.get(version)
    if found is not None:
        return found
    if not version:
        raise Unavailable(f"'{model}' has no available versions", retry_after=RETRY_AFTER)
    if any(str(number) == version for number in known):
        raise Unavailable(not_ready(model, version), retry_after=RETRY_AFTER)
    kind = "version" if version.isdecimal() else "version label"
    raise NotFound(f"Request for unknown model: '{model}' {kind} {version} is not found")


def unknown_model(model: str) -> NotFound:
    """What a client is told of a model that is not there."""
    return NotFound(f"Request for unknown model: '{model}' is not found")


def not_ready(model: str, version: int | str) -> str:
    """What a client is told of a version that is known but cannot answer."""
    return f"'{model}' version {version} is not at ready state"
