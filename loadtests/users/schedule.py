"""How many users there are when: pure tables, one per shape."""

from __future__ import annotations

from dataclasses import dataclass

SHAPES = ("steady", "steps", "ramp", "spike", "soak", "swap")
STEPS = 5
SPIKE_BASE = 5
"""A spike is so many times what is there before and after it."""

DEFAULT_SECONDS = {"steps": 100.0, "ramp": 120.0, "spike": 60.0, "soak": 3600.0}
"""Of shapes that have an end where no run time is given; the others go on until stopped."""

LATENCY_GROWTH = 5.0
FAILED_SHARE = 0.01


def users_at(shape: str, seconds: float, total: float, peak: int) -> int | None:
    """Users after `seconds` of `total` (0: no end) with `peak` at most; None when it is over."""
    if total and seconds >= total:
        return None
    share = seconds / total if total else 0.0
    if shape == "steps":
        return max(1, round(peak * (int(share * STEPS) + 1) / STEPS))
    if shape == "ramp":
        return max(1, round(peak * share))
    if shape == "spike":
        return peak if 1 / 3 <= share < 2 / 3 else max(1, peak // SPIKE_BASE)
    return peak


@dataclass(frozen=True, slots=True)
class Moment:
    """What was seen in the last seconds: requests/s, their p95 in ms and the share that failed."""

    rate: float
    p95: float
    failed: float


def saturation(now: Moment, first: Moment, limit: float) -> str:
    """Why the server counts as saturated; nothing while it does not.

    `limit` is in ms; 0 for LATENCY_GROWTH times the p95 of the `first` moment.
    """
    allowed = limit or LATENCY_GROWTH * first.p95
    if now.failed > FAILED_SHARE:
        return f"{now.failed:.1%} of the requests failed"
    if now.p95 > allowed:
        return f"the p95 was {now.p95:.0f} ms, above {allowed:.0f} ms"
    return ""
