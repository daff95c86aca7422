"""What came of one request, as either client tells it."""

from __future__ import annotations

from dataclasses import dataclass

TIMEOUT = 30.0
"""Seconds after which a request without an answer has failed."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The version that answered, or why there was no answer.

    `started` is when it was sent, on the monotonic clock, `sent` and `answered` are Unix seconds,
    because those are compared with the server's history.
    """

    started: float
    sent: float
    answered: float
    version: int = 0
    failure: str = ""
