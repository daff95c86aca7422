"""Who is best at what, in plain words; a difference within noise is called that (pure)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from loadtests.compare.points import cpu_per_1000
from loadtests.compare.result import CLOSED, Cell, Point, Result, Verdict
from loadtests.compare.statistics import Difference, Estimate, difference
from loadtests.compare.words import amount, milliseconds, size

FAILED_SHARE = 0.001
"""A rate at which more requests than this fail is not held, whatever the latency."""

Read = Callable[[Cell], float | None]


@dataclass(frozen=True, slots=True)
class Figure:
    """A candidate's figure for a goal, how it is shown, and whether less of it is better."""

    value: float
    shown: str


def verdicts(result: Result) -> list[Verdict]:
    """One per goal for which at least two candidates that are ranked have a figure."""
    found: list[Verdict | None] = []
    rate = goal_rate(result)
    if rate is not None:
        for quantile in ("p50", "p99"):
            goal = f"lowest {quantile} at {amount(rate)} requests/s"
            found.append(
                _over_rounds(
                    result, goal, rate, _latency(quantile), _pooled(quantile), milliseconds
                )
            )
    found.append(_highest_rate(result))
    found.append(
        _over_rounds(
            result, "most answers in a closed loop", CLOSED, lambda cell: cell.per_second,
            lambda point: point.per_second,
            lambda value: f"{amount(value)}/s", most=True,
        )
    )  # fmt: skip
    if rate is not None:
        goal = f"least CPU at {amount(rate)} requests/s"
        found.append(
            _over_rounds(
                result, goal, rate, cpu_per_1000, lambda point: point.cpu_seconds_per_1000, _cpu
            )
        )
    found += _of_facts(result)
    return [verdict for verdict in found if verdict is not None]


def goal_rate(result: Result) -> float | None:
    """The highest rate that all ranked candidates hold, else the lowest they were all asked at."""
    names = [candidate.name for candidate in result.ranked]
    common = [
        rate for rate in result.rates if all(result.point(name, rate) is not None for name in names)
    ]
    held = [rate for rate in common if all(holds(result, name, rate) for name in names)]
    return max(held) if held else min(common, default=None)


def holds(result: Result, name: str, rate: float) -> bool:
    """Whether its p99 is within the target and hardly anything fails."""
    point = result.point(name, rate)
    if point is None or point.failed > FAILED_SHARE * (point.answered + point.failed):
        return False
    p99 = point.latency_ms["p99"] or point.latency_ms["p90"]
    return p99 is not None and p99.value <= result.target_p99_ms


def compare_at(result: Result, mine: str, other: str, rate: float, read: Read) -> Difference | None:
    """Two candidates at a rate, paired by the rounds that both have."""
    a, b = result.cells_of(mine, rate), result.cells_of(other, rate)
    both = sorted(set(a) & set(b))
    return difference([read(a[number]) for number in both], [read(b[number]) for number in both])


def _over_rounds(
    result: Result,
    goal: str,
    rate: float,
    read: Read,
    pooled: Callable[[Point], Estimate | None],
    show: Callable[[float], str],
    most: bool = False,
) -> Verdict | None:
    """A goal that every round measures: `pooled` is shown, `read` tells whether it is noise."""
    figures: dict[str, Figure] = {}
    for candidate in result.ranked:
        point = result.point(candidate.name, rate)
        if point is not None and (known := pooled(point)) is not None:
            figures[candidate.name] = Figure(known.value, show(known.value))
    order = sorted(figures, key=lambda name: figures[name].value, reverse=most)
    if len(order) < 2:
        return None
    best, clear, close = order[0], list[str](), list[str]()
    for name in order[1:]:
        found = compare_at(result, name, best, rate, read)
        (clear if found is not None and found.is_clear else close).append(name)
    text = _sentence(best, figures, close, clear, result.rounds)
    limited = _limited(result, rate)
    return Verdict(goal, best if not close else "", text + limited, not close, _shown(figures))


def _sentence(
    best: str, figures: Mapping[str, Figure], close: list[str], clear: list[str], rounds: int
) -> str:
    behind = ", ".join(f"{name} {figures[name].shown}" for name in clear)
    if not close:
        return f"{best}: {figures[best].shown}, clearly ahead of {behind}."
    near = _joined([f"{name} ({figures[name].shown})" for name in [best, *close]])
    why = "within noise" if rounds > 1 else "not known from a single round"
    text = f"The difference between {near} is {why}."
    return text + (f" Clearly behind: {behind}." if clear else "")


def _limited(result: Result, rate: float) -> str:
    cells = [cell for cell in result.cells if cell.rate == rate]
    limited = sum(bool(cell.limits) for cell in cells)
    if not limited:
        return ""
    return f" (In {limited} of {len(cells)} measurements the generator itself was the limit.)"


def _highest_rate(result: Result) -> Verdict | None:
    figures: dict[str, Figure] = {}
    for candidate in result.ranked:
        held = [rate for rate in result.rates if holds(result, candidate.name, rate)]
        top = max(held, default=0.0)
        shown = f"{amount(top)}/s" if held else "none of the rates"
        if held and top == max(result.rates):
            shown = f"at least {shown}"
        figures[candidate.name] = Figure(top, shown)
    if len(figures) < 2 or not result.rates:
        return None
    best = max(figure.value for figure in figures.values())
    first = [name for name, figure in figures.items() if figure.value == best]
    goal = f"highest rate with a p99 within {amount(result.target_p99_ms)} ms"
    if not best:
        return Verdict(goal, "", "No candidate holds any of the rates.", False, _shown(figures))
    text = f"{_joined(first)}: {figures[first[0]].shown}."
    others = [f"{name} {figure.shown}" for name, figure in figures.items() if name not in first]
    if others:
        text += f" Then {', '.join(others)}."
    else:
        text = f"All hold {figures[first[0]].shown}."
    return Verdict(goal, first[0] if len(first) == 1 else "", text, len(first) == 1,
                   _shown(figures))  # fmt: skip


def _of_facts(result: Result) -> list[Verdict | None]:
    """Goals that are measured once or exactly known."""
    ranked = result.ranked
    own = [one for one in ranked if not one.memory_is_shared]
    swaps = {swap.candidate: swap.ready - swap.published for swap in result.swaps}
    return [
        _once("least memory", {one.name: one.memory for one in own}, size),
        _once("ready soonest", {one.name: _ready(one.load_s, one.warm_up_s) for one in ranked},
              _seconds),
        _once("quickest swap", {one.name: swaps.get(one.name) for one in ranked}, _seconds),
        _once("smallest artifact", {one.name: one.artifact_bytes for one in ranked}, size, 0.0),
    ]  # fmt: skip


NEAR = 0.1
"""What was measured once is called clear from a tenth of difference on."""


def _once(
    goal: str,
    values: Mapping[str, float | None],
    show: Callable[[float], str],
    near: float = NEAR,
) -> Verdict | None:
    figures = {
        name: Figure(value, show(value)) for name, value in values.items() if value is not None
    }
    order = sorted(figures, key=lambda name: figures[name].value)
    if len(order) < 2:
        return None
    bound = figures[order[0]].value * (1 + near)
    close = [name for name in order[1:] if figures[name].value <= bound]
    rest = ", ".join(f"{name} {figures[name].shown}" for name in order[1:] if name not in close)
    if close:
        text = f"{_joined([order[0], *close])} are alike ({figures[order[0]].shown})."
        text += f" More: {rest}." if rest else ""
    else:
        text = f"{order[0]}: {figures[order[0]].shown}; {rest}."
    if near:
        text += " Measured once."
    return Verdict(goal, "" if close else order[0], text, not close, _shown(figures))


def _latency(quantile: str) -> Read:
    return lambda cell: cell.latency_ms[quantile]


def _pooled(quantile: str) -> Callable[[Point], Estimate | None]:
    return lambda point: point.latency_ms[quantile]


def _ready(load: float | None, warm_up: float | None) -> float | None:
    return None if load is None else load + (warm_up or 0.0)


def _cpu(value: float) -> str:
    return f"{amount(value)} CPU s per 1,000 requests"


def _seconds(value: float) -> str:
    return f"{amount(value)} s"


def _shown(figures: Mapping[str, Figure]) -> dict[str, str]:
    return {name: figure.shown for name, figure in figures.items()}


def _joined(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
