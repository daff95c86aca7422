"""What came of one request, as either client tells it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

TIMEOUT = 30.0
"""Seconds after which a request without an answer has failed."""

_STAGE = re.compile(r"\s*([\w-]+)\s*(?:;[^,]*?\bdur=([\d.]+))?[^,]*")


@dataclass(frozen=True, slots=True)
class Answer:
    """The version that answered (0 where it was not told), or why there was no answer.

    `started` is when it was sent, on the monotonic clock, `sent` and `answered` are Unix seconds,
    because those are compared with the server's history. `stages` is what the server says of its
    own time, in milliseconds.
    """

    started: float
    sent: float
    answered: float
    version: int = 0
    failure: str = ""
    stages: Mapping[str, float] = field(default_factory=dict)


def stages_of(header: str) -> dict[str, float]:
    """The durations in a Server-Timing header (W3C Server Timing), in milliseconds by name."""
    found: dict[str, float] = {}
    for name, duration in _STAGE.findall(header):
        try:
            found[name] = float(duration)
        except ValueError:  # no duration, or none that is a number
            continue
    return found
