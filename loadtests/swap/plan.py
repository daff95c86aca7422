"""What one generator process is to send, and when: fixed before the first request is sent."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass

import numpy as np

from loadtests.swap.questions import ROWS, SHARES

BLOCK = 1024


@dataclass(frozen=True, slots=True)
class Plan:
    """`rate` requests per second from `start` (monotonic seconds) on, at random moments.

    A `rate` of 0 is a closed loop: each of `clients` sends again once it is answered. In an open
    loop `clients` is the most that can be under way; a request that waits for a place is late,
    which counts as the server's time.
    """

    protocol: str
    address: str
    models: tuple[str, ...]
    rate: float
    clients: int
    start: float
    seed: int

    def to_json(self) -> str:
        """As a command-line argument."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Plan:
        """The plan in a command-line argument."""
        fields = json.loads(text)
        return cls(**{**fields, "models": tuple(fields["models"])})


@dataclass(frozen=True, slots=True)
class Arrival:
    """A request that is due `at` (monotonic seconds)."""

    at: float
    model: str
    rows: int


def arrivals(plan: Plan) -> Iterator[Arrival]:
    """The plan's requests without end: a Poisson process, the same for the same seed."""
    random = np.random.default_rng(plan.seed)
    at = plan.start
    while True:
        gaps = random.exponential(1 / plan.rate, BLOCK) if plan.rate else np.zeros(BLOCK)
        models = random.integers(len(plan.models), size=BLOCK)
        rows = random.choice(ROWS, p=SHARES, size=BLOCK)
        for gap, model, size in zip(gaps.tolist(), models.tolist(), rows.tolist(), strict=True):
            at += gap
            yield Arrival(at, plan.models[model], size)
