"""From values to places on paper: linear and logarithmic axes with round ticks (pure)."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Scale:
    """Values from `low` to `high` are drawn from `start` to `end`."""

    low: float
    high: float
    start: float
    end: float
    log: bool = False
    ticks: tuple[float, ...] = ()

    def at(self, value: float) -> float:
        """Where a value is drawn; what is outside is drawn at the edge."""
        value = min(max(value, self.low), self.high)
        if self.log:
            part = math.log(value / self.low) / math.log(self.high / self.low)
        else:
            part = (value - self.low) / (self.high - self.low)
        return round(self.start + part * (self.end - self.start), 2)


def linear(values: Iterable[float], start: float, end: float, count: int = 5) -> Scale:
    """From 0 to a round number above all `values`, with about `count` ticks."""
    top = max(values, default=1.0) or 1.0
    step = _round_step(top / count)
    steps = math.ceil(top / step - 1e-9)
    ticks = tuple(round(step * number, 10) for number in range(steps + 1))
    return Scale(0.0, ticks[-1], start, end, ticks=ticks)


def logarithmic(values: Iterable[float], start: float, end: float) -> Scale:
    """Around all positive `values`, with ticks at 1, 2 and 5 times powers of ten."""
    known = [value for value in values if value > 0] or [1.0]
    low, high = _below(min(known)), _above(max(known))
    if high <= low * 1.0001:
        high = low * 10
    ticks = [tick for tick in _ones_twos_fives(low, high) if low <= tick * 1.0001]
    if len(ticks) > 8:
        ticks = [tick for tick in ticks if _lead(tick) == 1]
    return Scale(low, high, start, end, log=True, ticks=tuple(ticks))


def _round_step(least: float) -> float:
    scale = 10.0 ** math.floor(math.log10(least))
    return next(scale * factor for factor in (1, 2, 2.5, 5, 10) if scale * factor >= least * 0.999)


def _below(value: float) -> float:
    scale = 10.0 ** math.floor(math.log10(value))
    return max(scale * factor for factor in (1, 2, 5) if scale * factor <= value * 1.0001)


def _above(value: float) -> float:
    scale = 10.0 ** math.floor(math.log10(value))
    return min(scale * factor for factor in (1, 2, 5, 10) if scale * factor >= value * 0.9999)


def _ones_twos_fives(low: float, high: float) -> list[float]:
    first = math.floor(math.log10(low))
    last = math.ceil(math.log10(high))
    found = [10.0**power * factor for power in range(first, last + 1) for factor in (1, 2, 5)]
    return [tick for tick in found if tick <= high * 1.0001]


def _lead(value: float) -> int:
    return round(value / 10.0 ** math.floor(math.log10(value) + 1e-9))
