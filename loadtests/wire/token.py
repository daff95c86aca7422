"""The token that is shown to a server that wants one (Bearer, RFC 6750)."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from server.access.credentials import is_token

if TYPE_CHECKING:
    import requests

VARIABLE = "UNDERWAY_TOKEN"
"""Where a process finds its token: neither a page nor a command line shows it."""

HIDDEN = "(the token)"

EXPECTED = "letters, digits and any of -._~+/ with = at its end"
"""What a token consists of, in words."""


class BadTokenError(ValueError):
    """What is in the variable cannot be a token; the message does not repeat it."""


@dataclass(frozen=True, slots=True)
class Token:
    """`text` is "" where there is none; nothing that is printed of it has it."""

    text: str = field(default="", repr=False)

    @property
    def headers(self) -> dict[str, str]:
        """Headers of REST, and metadata of gRPC alike; none where there is no token."""
        return {"authorization": f"Bearer {self.text}"} if self.text else {}

    @property
    def auth(self) -> Callable[[requests.PreparedRequest], requests.PreparedRequest] | None:
        """The same for `requests`, where a mere header yields to what a .netrc has for the host."""
        return self._sign if self.text else None

    @property
    def environment(self) -> Mapping[str, str]:
        """What a process that is to show it is started with; it hides one that was there."""
        return {VARIABLE: self.text}

    def hidden_in(self, said: str) -> str:
        """What a server said, without the token: some repeat what they were asked."""
        return said.replace(self.text, HIDDEN) if self.text else said

    def _sign(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers.update(self.headers)
        return request


def from_environment() -> Token:
    """That of this process. Raises BadTokenError."""
    text = os.environ.get(VARIABLE, "").strip()
    if text and not is_token(text):
        raise BadTokenError(f"{VARIABLE} holds no token: expected {EXPECTED}")
    return Token(text)


def shown() -> dict[str, str]:
    """The headers of that. Raises BadTokenError."""
    return from_environment().headers
