"""What changed since an older comparison of the same candidates (pure)."""

from __future__ import annotations

from loadtests.compare.result import CLOSED, CandidateResult, Change, Point, Result
from loadtests.compare.statistics import SMALLEST, Estimate
from loadtests.compare.tables import rate_name

NEAR = 0.1
"""What is measured once has changed from a tenth on."""


def changes(old: Result, new: Result) -> list[Change]:
    """Figures that both have, candidate by candidate, under the same names and rates."""
    before = {candidate.name: candidate for candidate in old.candidates}
    found = []
    for candidate in new.candidates:
        if candidate.name not in before:
            continue
        for rate in [*new.rates, CLOSED]:
            a, b = old.point(candidate.name, rate), new.point(candidate.name, rate)
            if a is not None and b is not None:
                found += _of_points(candidate.name, a, b)
        found += _of_facts(before[candidate.name], candidate)
    return found


def strangers(old: Result, new: Result) -> list[str]:
    """Why the two may not be comparable, in sentences."""
    found = []
    for name in ("processor", "CPUs", "GPUs"):
        if old.machine.get(name) != new.machine.get(name):
            found.append(
                f"The older comparison was on another machine ({name}: {old.machine.get(name)}, "
                f"now {new.machine.get(name)})."
            )
    missing = {one.name for one in new.candidates} - {one.name for one in old.candidates}
    if missing:
        found.append(f"Not in the older comparison: {', '.join(sorted(missing))}.")
    other = [
        f"{package} {old.versions.get(package, 'none')} → {version}"
        for package, version in new.versions.items()
        if old.versions.get(package) != version
    ]
    if other:
        found.append(f"Other versions: {', '.join(other)}.")
    return found


def _of_points(name: str, old: Point, new: Point) -> list[Change]:
    at = rate_name(new.rate)
    pairs = [
        (f"{quantile} at {at}, ms", old.latency_ms.get(quantile), new.latency_ms.get(quantile))
        for quantile in ("p50", "p99")
    ]
    pairs.append((f"CPU s per 1,000 at {at}", old.cpu_seconds_per_1000, new.cpu_seconds_per_1000))
    if new.rate == CLOSED:
        pairs = [("answers/s in a closed loop", old.per_second, new.per_second)]
    return [
        Change(name, what, a.value, b.value, _apart(a, b))
        for what, a, b in pairs
        if a is not None and b is not None
    ]


def _apart(a: Estimate, b: Estimate) -> bool:
    """Intervals that do not meet; never where one has none."""
    if a.low is None or a.high is None or b.low is None or b.high is None:
        return False
    return (a.high < b.low or b.high < a.low) and abs(b.value / a.value - 1) > SMALLEST


def _of_facts(old: CandidateResult, new: CandidateResult) -> list[Change]:
    pairs = [
        ("memory, MB", _mb(old.memory), _mb(new.memory)),
        ("load, s", old.load_s, new.load_s),
        ("artifact, MB", _mb(old.artifact_bytes), _mb(new.artifact_bytes)),
    ]
    return [
        Change(new.name, what, a, b, abs(b - a) > NEAR * a)
        for what, a, b in pairs
        if a is not None and b is not None
    ]


def _mb(value: int | None) -> float | None:
    return None if value is None else value / 1e6
