"""The pictures of a comparison, from its result (pure)."""

from __future__ import annotations

import math
from collections.abc import Sequence

from loadtests.compare.charts import Line, dots, lines, plot_area, stacked
from loadtests.compare.result import Result, Swap
from loadtests.compare.scale import Scale, linear, logarithmic
from loadtests.compare.stages import ORDER
from loadtests.compare.statistics import Estimate
from loadtests.compare.verdict import goal_rate
from loadtests.compare.words import amount

NINES = (50.0, 90.0, 99.0, 99.9)


def over_rate(result: Result, quantile: str) -> str:
    """Latency over the rate of requests, a line per candidate; "" where there is none."""
    series = []
    for number, candidate in enumerate(result.candidates):
        found = [
            (point.rate, point.latency_ms[quantile])
            for rate in result.rates
            if (point := result.point(candidate.name, rate)) is not None
        ]
        known = [(rate, each) for rate, each in found if each is not None]
        points = [(rate, each.value) for rate, each in known]
        series.append(Line(candidate.name, number, points, _bands(known)))
    values = [value for line in series for _, value in line.points]
    if not values:
        return ""
    across, up = plot_area()
    target = result.target_p99_ms
    near = [target] if quantile == "p99" and target <= 3 * max(values) else []
    rates = [at for line in series for at, _ in line.points]
    return lines(
        f"{quantile} over the rate", series, linear(rates, *across),
        logarithmic([*values, *near], *up), "requests/s", "ms",
        limit=(target, f"target: {amount(target)} ms") if near else None,
    )  # fmt: skip


def _bands(known: Sequence[tuple[float, Estimate]]) -> list[tuple[float, float, float]]:
    return [
        (rate, each.low, each.high)
        for rate, each in known
        if each.low is not None and each.high is not None
    ]


def distribution(result: Result) -> str:
    """Latency by percentile at the rate of the verdicts, stretched towards the slowest."""
    rate = goal_rate(result)
    if rate is None:
        return ""
    series = []
    for number, candidate in enumerate(result.candidates):
        point = result.point(candidate.name, rate)
        if point is not None and point.curve_ms:
            curve = [(_nines(at), value) for at, value in point.curve_ms]
            series.append(Line(candidate.name, number, curve))
    if not series:
        return ""
    across, up = plot_area()
    end = max(at for line in series for at, _ in line.points)
    ticks = tuple(_nines(at) for at in NINES if _nines(at) <= end + 0.01)
    x = Scale(0.0, max(end, 0.5), *across, ticks=ticks)
    values = [value for line in series for _, value in line.points]
    names = {_nines(at): f"{at:g} %" for at in NINES}
    return lines(
        f"Latency by percentile at {amount(rate)} requests/s", series, x,
        logarithmic(values, *up), "share of requests that were at most as slow", "ms",
        show_x=lambda value: names[value],
    )  # fmt: skip


def _nines(at: float) -> float:
    """How many nines: 90 % is 1, 99 % is 2."""
    return -math.log10(1 - at / 100)


def stages(result: Result) -> str:
    """Where the time goes at the rate of the verdicts; "" where no server tells."""
    rate = goal_rate(result)
    if rate is None:
        return ""
    rows = {
        candidate.name: point.stages_ms
        for candidate in result.candidates
        if (point := result.point(candidate.name, rate)) is not None and point.stages_ms
    }
    return stacked(f"Mean time per stage at {amount(rate)} requests/s", rows, ORDER) if rows else ""


def swap(result: Result, one: Swap) -> str:
    """One swap over time."""
    across, up = plot_area()
    number = [candidate.name for candidate in result.candidates].index(one.candidate)
    # The same height for all, so that they can be compared.
    heights = [value for each in result.swaps for _, value in each.dots]
    return dots(
        f"{one.candidate}, {amount(one.rate)} requests/s", one.dots, number,
        linear([at for each in result.swaps for at, _ in each.dots], *across),
        logarithmic(heights, *up),
        {"published": one.published, "new version answers": one.ready, "old one gone": one.ended},
        "ms",
    )  # fmt: skip
