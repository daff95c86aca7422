"""What a caller shows of itself, read from the header Authorization (RFC 6750, RFC 7617)."""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass

from server.errors import Unauthenticated

MAX_HEADER = 1024

_SHOWN = r"[A-Za-z0-9._~+/-]+=*"
_BEARER = re.compile(rf"[Bb][Ee][Aa][Rr][Ee][Rr] +({_SHOWN})")
_BASIC = re.compile(r"[Bb][Aa][Ss][Ii][Cc] +([A-Za-z0-9+/]+=*)")


@dataclass(frozen=True, slots=True)
class Credentials:
    """A token, and the name that was given with it, "" for none."""

    token: str
    name: str = ""


def is_token(text: str) -> bool:
    """True where `text` can stand behind Bearer."""
    return re.fullmatch(_SHOWN, text) is not None


def credentials(header: str, *, basic: bool) -> Credentials | None:
    """What `header` shows, None where it is empty; with `basic` also a name with its token as the
    password, as browsers ask for them. Raises Unauthenticated for anything else.
    """
    if not header:
        return None
    if len(header) <= MAX_HEADER:
        if found := _BEARER.fullmatch(header):
            return Credentials(found[1])
        if basic and (found := _BASIC.fullmatch(header)):
            return _named(found[1])
    expected = "'Bearer TOKEN'" + (", or Basic with NAME:TOKEN" if basic else "")
    raise Unauthenticated(f"Authorization: expected {expected}")


def _named(encoded: str) -> Credentials:
    try:
        text = base64.b64decode(encoded, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        raise Unauthenticated("Authorization: expected NAME:TOKEN in base 64") from None
    name, colon, token = text.partition(":")
    if not (name and colon and token):
        raise Unauthenticated("Authorization: expected a token's name, a colon and the token")
    return Credentials(token, name)
