"""Percentiles, how sure they are over rounds, and whether two candidates differ (pure).

Rounds are the unit of chance: requests within one share what happened to the machine meanwhile.
Intervals are Student's t over the rounds' logarithms, so that they hold ratios and stay positive.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

QUANTILES = {"p50": 50.0, "p90": 90.0, "p99": 99.0, "p99.9": 99.9}

CONFIDENCE = 0.95

SMALLEST = 0.02
"""Differences of less than a fiftieth are called noise, however often they were measured."""

CURVE = (0, 1, 5, 10, 20, 30, 40, 50, 60, 70, 75, 80, 85, 90, 92.5, 95, 96, 97, 98, 98.5, 99, 99.3,
         99.5, 99.7, 99.8, 99.9)  # fmt: skip
"""The percentiles that a distribution is drawn from."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure and its confidence interval over rounds; no interval from a single round."""

    value: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True)
class Difference:
    """How many times as much one candidate needs as another, round by round.

    `is_clear` where chance does not explain it. `low` and `high` are None where there is only one
    round, and then nothing is clear.
    """

    ratio: float
    low: float | None
    high: float | None
    is_clear: bool


def percentile(values: NDArray[np.float64], quantile: float) -> float | None:
    """As numpy's, but None where fewer values than it takes for one to lie above it."""
    if not len(values) or len(values) * (100 - quantile) < 100 - 1e-6:
        return None
    return float(np.percentile(values, quantile))


def percentiles(values: NDArray[np.float64]) -> dict[str, float | None]:
    """All that are reported, by name."""
    return {name: percentile(values, quantile) for name, quantile in QUANTILES.items()}


def curve(values: NDArray[np.float64]) -> list[tuple[float, float]]:
    """(percentile, value) as far as there are values enough."""
    found = [(float(quantile), percentile(values, quantile)) for quantile in CURVE]
    return [(quantile, value) for quantile, value in found if value is not None]


def estimate(value: float | None, rounds: Sequence[float | None]) -> Estimate | None:
    """`value` of all rounds together, with the interval that the rounds' own values give."""
    if value is None:
        return None
    logs = _logs(rounds)
    if len(logs) < 2 or value <= 0:
        return Estimate(value)
    half = _half_width(logs)
    return Estimate(value, value * math.exp(-half), value * math.exp(half))


def mean_estimate(rounds: Sequence[float | None]) -> Estimate | None:
    """The mean over rounds, of what has no distribution within one."""
    known = [value for value in rounds if value is not None]
    return estimate(float(np.mean(known)), known) if known else None


def difference(mine: Sequence[float | None], others: Sequence[float | None]) -> Difference | None:
    """`mine` over `others`, paired by round: what happened in a round happened to both.

    None where no round has both.
    """
    pairs = [
        math.log(a / b)
        for a, b in zip(mine, others, strict=True)
        if a is not None and b is not None and a > 0 and b > 0
    ]
    if not pairs:
        return None
    centre = float(np.mean(pairs))
    if len(pairs) < 2:
        return Difference(math.exp(centre), None, None, False)
    half = _half_width(pairs)
    clear = abs(centre) > half and abs(centre) > math.log1p(SMALLEST)
    return Difference(math.exp(centre), math.exp(centre - half), math.exp(centre + half), clear)


def _logs(values: Sequence[float | None]) -> list[float]:
    return [math.log(value) for value in values if value is not None and value > 0]


def _half_width(logs: Sequence[float]) -> float:
    """Half of the confidence interval of the mean of `logs`, two or more."""
    spread = float(np.std(logs, ddof=1)) / math.sqrt(len(logs))
    return float(stdtrit(len(logs) - 1, (1 + CONFIDENCE) / 2)) * spread
