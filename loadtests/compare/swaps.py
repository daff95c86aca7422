"""What a swap costs: the same version is published again under load, and the latency watched."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from loadtests.compare.measure import Meter
from loadtests.compare.places import Place
from loadtests.compare.result import Swap
from loadtests.compare.statistics import percentile
from loadtests.compare.underway import Entry, ServerError
from loadtests.generator.process import under_load
from server.repository.copying import PublishError
from server.repository.publish import publish

CALM = 2.0
"""Seconds of load before the swap, to compare with, and after the old version is gone; less where
measurements are shorter."""

SWAP_TIMEOUT = 120.0
LOOK_EVERY = 0.05

MOST_DOTS = 600
"""In the picture of one swap; the slowest are always among them."""


def swap_under_load(
    meter: Meter, place: Place, rate: float, calm: float, work: Path
) -> Swap | None:
    """Publish once under `rate` requests per second, after `calm` seconds of it.

    None where there is nothing to publish.
    """
    if place.server is None or place.folder is None:
        return None
    plan = meter.plan(place, rate, 0.0, 0)
    with under_load([plan], work / "swap") as load:
        began = time.time()
        time.sleep(calm)
        published = time.time()
        try:
            version = publish(place.folder / "1", place.folder)
        except PublishError:
            return None
        moments = _wait_until_swapped(place, version)
        time.sleep(calm)
        (records,) = load.stop()
    table = records.table
    return swap_of(
        place.name, rate, began, (published, *moments), table["intended"],
        table["latency"] * 1000, table["failure"] >= 0,
    )  # fmt: skip


def swap_of(
    candidate: str,
    rate: float,
    began: float,
    moments: tuple[float, float, float],
    intended: NDArray[np.float64],
    latencies_ms: NDArray[np.float64],
    failed: NDArray[np.bool_],
) -> Swap:
    """The figures (pure): `moments` are when it was published, ready, and the old one ended."""
    published, ready, ended = moments
    during = latencies_ms[(intended >= published) & (intended < ended) & ~failed]
    before = (intended < published) & ~failed
    return Swap(
        candidate, rate, published - began, ready - began, ended - began, len(intended),
        int(failed.sum()), percentile(latencies_ms[before], 99),
        float(during.max()) if len(during) else None,
        _dots(intended[~failed] - began, latencies_ms[~failed]),
    )  # fmt: skip


def _dots(at: NDArray[np.float64], ms: NDArray[np.float64]) -> list[tuple[float, float]]:
    """All, or the slowest quarter of so many and an even choice of the others."""
    chosen = np.arange(len(at))
    if len(at) > MOST_DOTS:
        slowest = np.argsort(ms)[-MOST_DOTS // 4 :]
        even = np.linspace(0, len(at) - 1, MOST_DOTS - len(slowest)).astype(int)
        chosen = np.union1d(slowest, even)
    return [(round(float(at[i]), 3), round(float(ms[i]), 3)) for i in chosen]


def _wait_until_swapped(place: Place, version: int) -> tuple[float, float]:
    """When the version was READY, and when the one before had ended, in Unix seconds."""
    assert place.server is not None  # noqa: S101
    deadline = time.monotonic() + SWAP_TIMEOUT
    while time.monotonic() < deadline:
        place.server.check()
        history = place.server.history(place.model)
        ready = _moment(history, version, "READY")
        ended = _moment(history, version - 1, "ENDED")
        if ready is not None and ended is not None:
            return ready, ended
        if _moment(history, version, "FAILED") is not None:
            break
        time.sleep(LOOK_EVERY)
    raise ServerError(f"candidate '{place.name}': the version that was published did not take over")


def _moment(history: list[Entry], version: int, target: str) -> float | None:
    for entry in history:
        if entry["version"] == version and entry["target"] == target:
            return float(entry["time"])
    return None
