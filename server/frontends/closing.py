"""When connections are to end though nobody has left: at a certain age, and when the server stops.

The age makes clients connect again from time to time, so that new servers behind the same address
get their share.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

JITTER = 0.1
"""Part of the age by which it is more or less, so that not all leave at once; as gRPC's own."""


@dataclass(frozen=True, slots=True)
class Closing:
    """`max_age` in seconds, 0 for none, and `grace`, how long requests then have to end.

    When the server stops, a connection without a request is closed after `linger` seconds: what is
    sent within them is answered, with the word that it was the last.
    """

    max_age: float = 0.0
    grace: float = 30.0
    linger: float = 0.0

    def ends_at(self, now: float) -> float:
        """Until when a connection that began `now` may take up requests."""
        if not self.max_age:
            return float("inf")
        return now + self.max_age * random.uniform(1 - JITTER, 1 + JITTER)  # noqa: S311  # no secret
