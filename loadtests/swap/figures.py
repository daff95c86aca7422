"""What the load showed, as numbers: latencies steady and during swaps, and how long swaps took."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from loadtests.swap.bench import Published
from loadtests.swap.verdict import Entry

Table = NDArray[Any]

FIRST_BOUND = 1.5
"""A first request may take this much of the steady median; an aim, reported only."""


@dataclass(frozen=True, slots=True)
class Latency:
    """Milliseconds from the moment a request was due until it was answered."""

    requests: int
    p50: float
    p99: float


@dataclass(frozen=True, slots=True)
class Compared:
    """The same requests before the swaps, between two of them, and during one."""

    who: str
    steady: Latency
    between: Latency
    swaps: Latency

    @property
    def p50_ratio(self) -> float:
        """During swaps over steady."""
        return self.swaps.p50 / self.steady.p50

    @property
    def p99_ratio(self) -> float:
        """During swaps over steady."""
        return self.swaps.p99 / self.steady.p99


@dataclass(frozen=True, slots=True)
class Phase:
    """How long one part of a swap took, in seconds."""

    name: str
    count: int
    median: float
    longest: float


@dataclass(frozen=True, slots=True)
class FirstRequests:
    """The first answer of every new version, over the steady median of the same size and protocol.

    The shares are of requests within FIRST_BOUND; `steady_within` is that of the steady load, to
    tell what is due to its being the first from what is due to the load.
    """

    count: int
    median_ratio: float
    p90_ratio: float
    within: float
    steady_within: float


def latency(rows: Table) -> Latency:
    """Percentiles of all `rows`."""
    if not len(rows):
        return Latency(0, float("nan"), float("nan"))
    p50, p99 = np.percentile(rows["latency"], [50, 99]) * 1000
    return Latency(len(rows), float(p50), float(p99))


def compare(
    table: Table, models: Sequence[str], swapping: str, times: tuple[Table, Table, Table]
) -> list[Compared]:
    """The swapping model, its neighbours together, and each of them.

    `times` are masks of `table`: steady, between swaps, during swaps.
    """
    own = table["model"] == models.index(swapping)
    groups = [(f"{swapping} (swapping)", own), ("neighbours together", ~own)]
    groups += [
        (model, table["model"] == index) for index, model in enumerate(models) if model != swapping
    ]
    return [Compared(who, *(latency(table[mask & time]) for time in times)) for who, mask in groups]


def swap_windows(
    history: Sequence[Entry], model: str, published: Sequence[Published]
) -> list[tuple[float, float]]:
    """From each publish() until the version before was gone, in Unix seconds."""
    ended = {
        entry["version"]: entry["time"]
        for entry in history
        if entry["model"] == model and entry["target"] == "ENDED"
    }
    return [(new.began, ended.get(new.version - 1, math.inf)) for new in published]


def within(moments: Table, windows: Sequence[tuple[float, float]]) -> Table:
    """Which of `moments` are in one of `windows`: a mask."""
    inside = np.zeros(len(moments), bool)
    for begin, end in windows:
        inside |= (moments >= begin) & (moments < end)
    return inside


def phases(history: Sequence[Entry], model: str, published: Sequence[Published]) -> list[Phase]:
    """How long the versions of `model` spent in each state; version 1 was there from the start."""
    found = [Phase("publish", *_spread([new.seconds for new in published]))]
    for state, name in (
        ("LOADING", "loading"),
        ("WARMING", "warming up"),
        ("DRAINING", "draining the old"),
        ("UNLOADING", "ending the old"),
    ):
        entries = [e for e in history if e["model"] == model and e["source"] == state]
        if state in ("LOADING", "WARMING"):
            entries = [e for e in entries if e["version"] > 1]
        found.append(Phase(name, *_spread([entry["seconds"] for entry in entries])))
    return found


def first_requests(table: Table, models: Sequence[str], model: str, steady: Table) -> FirstRequests:
    """How the first request of every version but the first one fared."""
    answered = (table["model"] == models.index(model)) & (table["failure"] < 0)
    medians = {
        kind: float(np.median(table["latency"][steady & answered & _of(table, kind)]))
        for kind in {(int(row["rows"]), int(row["protocol"])) for row in table[answered & steady]}
    }
    own = table[answered]
    own = own[np.argsort(own["sent"])]
    firsts = [own[own["version"] == v][0] for v in np.unique(own["version"]) if v > 1]
    ratios = _ratios(firsts, medians)
    usual = _ratios(table[answered & steady], medians)
    if not len(ratios):
        return FirstRequests(0, *[float("nan")] * 4)
    return FirstRequests(
        len(ratios),
        float(np.median(ratios)),
        float(np.percentile(ratios, 90)),
        float((ratios <= FIRST_BOUND).mean()),
        float((usual <= FIRST_BOUND).mean()),
    )


def _of(table: Table, kind: tuple[int, int]) -> Table:
    rows, protocol = kind
    mask: Table = (table["rows"] == rows) & (table["protocol"] == protocol)
    return mask


def _ratios(rows: Iterable[Table], medians: Mapping[tuple[int, int], float]) -> Table:
    kinds = [((int(row["rows"]), int(row["protocol"])), row["latency"]) for row in rows]
    return np.array([value / medians[kind] for kind, value in kinds if kind in medians])


def _spread(seconds: Sequence[float]) -> tuple[int, float, float]:
    if not seconds:
        return 0, float("nan"), float("nan")
    return len(seconds), float(np.median(seconds)), max(seconds)
