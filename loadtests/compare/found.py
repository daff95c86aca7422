"""What a comparison has found so far; kept when the measuring is broken off."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from loadtests.compare.parity import OutputParity
from loadtests.compare.result import Cell, Swap


@dataclass(slots=True)
class Found:
    """By candidate, but for `cells`, `swaps` and `notes`.

    `latencies` are milliseconds by candidate, rate and round; `asked` the seconds of each golden
    request; `problems` why a candidate can't be measured.
    """

    cells: list[Cell] = field(default_factory=list)
    latencies: dict[tuple[str, float, int], NDArray[np.float64]] = field(default_factory=dict)
    swaps: list[Swap] = field(default_factory=list)
    capacities: dict[str, float] = field(default_factory=dict)
    warmed: dict[str, int] = field(default_factory=dict)
    parity: dict[str, list[OutputParity]] = field(default_factory=dict)
    problems: dict[str, str] = field(default_factory=dict)
    right: dict[str, float | None] = field(default_factory=dict)
    asked: dict[str, list[float]] = field(default_factory=dict)
    rates: list[float] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    interrupted: bool = False
