"""Measurements of all rounds together: one point per candidate and rate (pure)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from loadtests.compare.result import Cell, Point
from loadtests.compare.stages import mean_of
from loadtests.compare.statistics import QUANTILES, curve, estimate, mean_estimate, percentile

Latencies = Mapping[tuple[str, float, int], NDArray[np.float64]]
"""Milliseconds of everything answered, by candidate, rate and round."""


def points_of(cells: Sequence[Cell], latencies: Latencies) -> list[Point]:
    """In the order in which candidates and rates were first measured."""
    groups: dict[tuple[str, float], list[Cell]] = {}
    for cell in cells:
        groups.setdefault((cell.candidate, cell.rate), []).append(cell)
    return [_point(group, latencies) for _, group in sorted(groups.items(), key=_by_rate)]


def _by_rate(item: tuple[tuple[str, float], list[Cell]]) -> float:
    return item[0][1]


def _point(cells: Sequence[Cell], latencies: Latencies) -> Point:
    name, rate = cells[0].candidate, cells[0].rate
    pooled = np.concatenate([latencies[name, rate, cell.round] for cell in cells])
    return Point(
        candidate=name,
        rate=rate,
        rounds=len(cells),
        answered=sum(cell.answered for cell in cells),
        failed=sum(cell.failed for cell in cells),
        per_second=mean_estimate([cell.per_second for cell in cells]),
        latency_ms={
            quantile: estimate(
                percentile(pooled, at), [cell.latency_ms[quantile] for cell in cells]
            )
            for quantile, at in QUANTILES.items()
        },
        mean_ms=float(pooled.mean()) if len(pooled) else None,
        curve_ms=[(at, round(value, 4)) for at, value in curve(pooled)],
        stages_ms=mean_of([(cell.answered, cell.stages_ms) for cell in cells]),
        mean_batch=_mean_batch(cells),
        cpu_seconds_per_1000=mean_estimate([cpu_per_1000(cell) for cell in cells]),
        limited=sum(bool(cell.limits) for cell in cells),
        gpu_seconds_per_1000=mean_estimate([gpu_per_1000(cell) for cell in cells]),
    )


def cpu_per_1000(cell: Cell) -> float | None:
    """CPU seconds of the server's processes per 1,000 answers."""
    if cell.cpu_seconds is None or not cell.answered:
        return None
    return cell.cpu_seconds / cell.answered * 1000


def gpu_per_1000(cell: Cell) -> float | None:
    """Seconds in which the busiest GPU had work, per 1,000 answers."""
    if cell.gpu_use is None or not cell.answered:
        return None
    return cell.gpu_use * cell.seconds / cell.answered * 1000


def _mean_batch(cells: Sequence[Cell]) -> float | None:
    """Rows per execution, by what the server counted."""
    rows = sum(int(size) * count for cell in cells for size, count in cell.batches.items())
    executions = sum(count for cell in cells for count in cell.batches.values())
    return rows / executions if executions else None
