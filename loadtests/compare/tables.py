"""The figures of a comparison as tables of texts, for every report that shows them (pure)."""

from __future__ import annotations

from dataclasses import dataclass

from loadtests.compare.numerics import size_of
from loadtests.compare.result import CLOSED, CandidateResult, Point, Result
from loadtests.compare.spec import TERMS
from loadtests.compare.statistics import QUANTILES
from loadtests.compare.verdict import goal_rate
from loadtests.compare.words import NOT_KNOWN, amount, interval, milliseconds, share, size


@dataclass(frozen=True, slots=True)
class Table:
    """`rows` have a text for each of `columns`."""

    columns: tuple[str, ...]
    rows: list[list[str]]


def rate_name(rate: float) -> str:
    """A rate as it is shown; the closed loop by its name."""
    return "closed loop" if rate == CLOSED else f"{amount(rate)}/s"


def latencies(result: Result) -> Table:
    """Every candidate at every rate, with confidence intervals."""
    columns = ("candidate", "rate", "answered/s", *(f"{name}, ms" for name in QUANTILES),
               "failed", "rows per batch", "CPU s per 1,000")  # fmt: skip
    rows = []
    for candidate in result.candidates:
        for rate in [*result.rates, CLOSED]:
            point = result.point(candidate.name, rate)
            if point is not None:
                rows.append([_marked(candidate), rate_name(rate), *_latency(point)])
            elif rate != CLOSED and candidate.capacity:
                why = f"above what it can do ({amount(candidate.capacity)}/s)"
                rows.append([_marked(candidate), rate_name(rate), why, *[""] * 7])
    return Table(columns, rows)


def _latency(point: Point) -> list[str]:
    failed = amount(point.failed) + (" ⚠" if point.limited else "")
    return [
        interval(point.per_second),
        *(interval(point.latency_ms[name]) for name in QUANTILES),
        failed,
        amount(point.mean_batch),
        interval(point.cpu_seconds_per_1000),
    ]


def costs(result: Result) -> Table:
    """What each candidate takes besides time."""
    rate = goal_rate(result)
    at = f" at {rate_name(rate)}" if rate is not None else ""
    columns = (
        "candidate", f"CPU s per 1,000{at}", f"GPU s per 1,000{at}", "memory", "GPU memory", "load",
        "warm-up", "first request", "usual request", "swap", "slowest in the swap", "artifact",
    )  # fmt: skip
    swaps = {swap.candidate: swap for swap in result.swaps}
    rows = []
    for one in result.candidates:
        point = result.point(one.name, rate) if rate is not None else None
        swap = swaps.get(one.name)
        memory = size(one.memory) + (" (shared)" if one.memory_is_shared else "")
        rows.append(
            [
                _marked(one), interval(point.cpu_seconds_per_1000) if point else NOT_KNOWN,
                interval(point.gpu_seconds_per_1000) if point else NOT_KNOWN, memory,
                size(one.gpu_memory), _seconds(one.load_s), _seconds(one.warm_up_s),
                milliseconds(one.first_ms), milliseconds(one.usual_ms),
                _seconds(swap.ready - swap.published if swap else None),
                milliseconds(swap.during_slowest_ms if swap else None),
                size(one.artifact_bytes),
            ]
        )  # fmt: skip
    return Table(columns, rows)


def parity(result: Result) -> Table:
    """Every output of every candidate against the reference."""
    columns = ("candidate", "output", "same answers", "largest difference", "relative",
               "same top-1", "what that is", "known answers right")  # fmt: skip
    rows = []
    for one in result.candidates:
        right = share(one.right)
        if one.name == result.reference:
            rows.append([one.name, "all", "the reference", "", "", "", "", right])
            continue
        for output in one.parity:
            rows.append(
                [
                    one.name, output.output, "yes" if output.passed else "no: not ranked",
                    amount(output.max_abs), amount(output.max_rel), share(output.top1),
                    size_of(output), right,
                ]
            )  # fmt: skip
        if not one.parity:
            rows.append([one.name, NOT_KNOWN, "no: not ranked", *[NOT_KNOWN] * 3, one.why_not,
                         right])  # fmt: skip
    return Table(columns, rows)


def terms(result: Result) -> Table:
    """On which terms each was measured; what differs is marked."""
    columns = ("term", *(one.name for one in result.candidates))
    rows = [
        [term + (" ≠" if term in result.differences else ""),
         *(one.terms.get(term, NOT_KNOWN) for one in result.candidates)]
        for term in TERMS
    ]  # fmt: skip
    rows.append(["server", *(one.where for one in result.candidates)])
    rows.append(["runtime", *(_runtime(one) for one in result.candidates)])
    return Table(columns, rows)


def requests(result: Result) -> Table:
    """How many requests each answered, and what its server counted."""
    columns = ("candidate", "golden set", "warm-up", "measured", "in all", "the server counted")
    rows = [
        [
            one.name, f"{one.requests.golden + one.requests.first:,}",
            f"{one.requests.warm_up:,}", f"{one.requests.measured:,}", f"{one.requests.sent:,}",
            NOT_KNOWN if one.requests.counted is None else f"{one.requests.counted:,}",
        ]
        for one in result.candidates
    ]  # fmt: skip
    return Table(columns, rows)


def changes(result: Result) -> Table:
    """What is other than in the older comparison."""
    columns = ("candidate", "figure", "before", "now", "change", "beyond noise")
    rows = [
        [
            change.candidate, change.what, amount(change.old), amount(change.new),
            f"{change.new / change.old - 1:+.1%}" if change.old else NOT_KNOWN,
            "yes" if change.is_clear else "no",
        ]
        for change in result.changes
    ]  # fmt: skip
    return Table(columns, rows)


def _marked(candidate: CandidateResult) -> str:
    return candidate.name if candidate.ranked else f"{candidate.name} (not ranked)"


def _runtime(candidate: CandidateResult) -> str:
    return candidate.framework or candidate.runtime or NOT_KNOWN


def _seconds(value: float | None) -> str:
    return NOT_KNOWN if value is None else f"{amount(value)} s"
