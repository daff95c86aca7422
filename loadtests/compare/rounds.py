"""Which measurement comes when: A B C A B C, so that what happens meets all alike (pure)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from loadtests.compare.result import CLOSED

SHARES = (0.1, 0.3, 0.5, 0.7, 0.9)
"""Of what the best candidate can do, where the spec names no rates."""

BEYOND = 1.25
"""A rate this much over what a candidate can do is not sent to it: it would only make a queue."""


@dataclass(frozen=True, slots=True)
class Step:
    """A candidate is measured at a rate; CLOSED is as fast as it answers."""

    round: int
    rate: float
    candidate: str


def rates_for(asked: Sequence[float], capacities: Mapping[str, float]) -> list[float]:
    """The spec's rates in order, or shares of the highest capacity, rounded to two digits."""
    if asked:
        return sorted(set(asked))
    best = max(capacities.values(), default=0.0)
    return sorted({rate for rate in (_rounded(best * share) for share in SHARES) if rate > 0})


def steps(
    rounds: int, rates: Sequence[float], capacities: Mapping[str, float], saturation: bool
) -> list[Step]:
    """All measurements in order. Every round begins with another candidate, so that none always
    follows the same one.
    """
    names = list(capacities)
    found = []
    for number in range(1, rounds + 1):
        turn = (number - 1) % max(1, len(names))
        order = names[turn:] + names[:turn]
        for rate in [*rates, *([CLOSED] if saturation else [])]:
            found += [
                Step(number, rate, name)
                for name in order
                if rate == CLOSED or rate <= BEYOND * capacities[name]
            ]
    return found


def _rounded(rate: float) -> float:
    return float(f"{rate:.2g}")
