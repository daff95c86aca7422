"""Who may do what: rights, who holds them, and the decision about one call."""

from __future__ import annotations

import hashlib
from enum import StrEnum

import msgspec

from server.access.credentials import Credentials
from server.errors import PermissionDenied, Unauthenticated


class Right(StrEnum):
    """What a token may be good for.

    INFER: ask models, and see what is served. CONTROL: load and unload, replace the model config,
    change what is traced and logged. METRICS: the pages of metrics. OPERATE: all that the
    operators' port has, whose console can do what the others are good for.
    """

    INFER = "infer"
    CONTROL = "control"
    METRICS = "metrics"
    OPERATE = "operate"


Needs = frozenset[Right]
"""What a call needs one of; nothing where it is open to everybody."""

OPEN: Needs = frozenset()


class Holder(msgspec.Struct, frozen=True, array_like=True):
    """Whoever has a certain token."""

    name: str
    may: frozenset[Right]


class Rules(msgspec.Struct, frozen=True, array_like=True):
    """What those without a token may do, and the holder of each token, by the token's SHA-256 in
    hexadecimal digits.
    """

    anonymous: frozenset[Right] = frozenset()
    holders: dict[str, Holder] = {}


NOBODY = Rules()
"""Nobody may do anything."""


def digest_of(token: str) -> str:
    """What rules know of a token."""
    return hashlib.sha256(token.encode()).hexdigest()


def is_open(rules: Rules, needs: Needs) -> bool:
    """True for calls that everybody may make, whatever they show."""
    return not needs or not needs.isdisjoint(rules.anonymous)


def admit(rules: Rules, needs: Needs, shown: Credentials | None) -> None:
    """Return where a call that needs one of `needs` is let in.

    Raises Unauthenticated for a caller that is not known, PermissionDenied for one who may not.
    What is looked up is a digest, so the time that this takes tells nothing of the tokens.
    """
    if is_open(rules, needs):
        return
    if shown is None:
        raise Unauthenticated(
            "this server answers those who show a token: expected 'Authorization: Bearer TOKEN' "
            f"with the right {_words(needs)}"
        )
    holder = rules.holders.get(digest_of(shown.token))
    if holder is None or shown.name not in ("", holder.name):
        raise Unauthenticated("the token is not known here; ask whoever runs this server for one")
    if needs.isdisjoint(holder.may):
        raise PermissionDenied(
            f"this call takes the right {_words(needs)}; the token '{holder.name}' has "
            f"{_words(holder.may, ' and ') or 'none'}"
        )


def _words(rights: frozenset[Right], between: str = " or ") -> str:
    return between.join(right for right in Right if right in rights)
