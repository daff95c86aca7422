"""Every request as one row of a table, written by a generator and read by whoever reports."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from loadtests.generator.answer import Answer
from loadtests.generator.plan import Arrival

ROW = np.dtype(
    [
        ("request", "u4"),  # index into the plan's requests
        ("version", "i4"),  # 0 where it failed or the server did not tell
        ("failure", "i4"),  # index into the failures, -1 where it was answered
        ("intended", "f8"),  # Unix seconds, as sent and answered
        ("sent", "f8"),
        ("answered", "f8"),
        ("latency", "f8"),  # seconds since the intended moment, on the monotonic clock
        ("late", "f8"),  # seconds from the intended moment until it was sent
        ("behind", "f8"),  # the part of that which is the generator's own doing
    ]
)

MAX_FAILURES = 1000
"""Different texts that are kept; what comes after counts as the last of them."""

LONGEST_FAILURE = 300


@dataclass(frozen=True, slots=True)
class Effort:
    """What sending cost the generator's process: CPU seconds used in that many seconds."""

    cpu_seconds: float
    wall_seconds: float

    @property
    def cpu_share(self) -> float:
        """Of one CPU: a generator has one thread that does the work."""
        return self.cpu_seconds / self.wall_seconds if self.wall_seconds > 0 else 0.0


@dataclass(frozen=True, slots=True)
class Records:
    """All requests, and the different texts of the failures among them.

    `stages` [requests, len(stage_names)] are milliseconds from the answers' Server-Timing, NaN
    where an answer had none.
    """

    table: NDArray[Any]
    failures: tuple[str, ...]
    effort: Effort
    stage_names: tuple[str, ...] = ()
    stages: NDArray[np.float64] | None = None

    def save(self, path: Path) -> None:
        """Write them to a file; `load` reads it."""
        stages = np.empty((len(self.table), 0)) if self.stages is None else self.stages
        np.savez(
            path, table=self.table, failures=np.array(self.failures, dtype=str),
            effort=np.array([self.effort.cpu_seconds, self.effort.wall_seconds]),
            stage_names=np.array(self.stage_names, dtype=str), stages=stages,
        )  # fmt: skip


class Recorder:
    """Collects one generator's answers."""

    def __init__(self) -> None:
        self._rows: list[tuple[float, ...]] = []
        self._failures: dict[str, int] = {}
        self._stages: dict[str, dict[int, float]] = {}

    def add(self, arrival: Arrival, answer: Answer, behind: float, ended: float) -> None:
        """Keep one; `ended` is when it was answered, on the monotonic clock."""
        late = answer.started - arrival.at
        for name, duration in answer.stages.items():
            self._stages.setdefault(name, {})[len(self._rows)] = duration
        self._rows.append(
            (
                arrival.request, answer.version, self._failure(answer.failure), answer.sent - late,
                answer.sent, answer.answered, ended - arrival.at, late, behind,
            )
        )  # fmt: skip

    def records(self, effort: Effort) -> Records:
        """What was collected."""
        stages = np.full((len(self._rows), len(self._stages)), np.nan)
        for column, durations in enumerate(self._stages.values()):
            stages[list(durations), column] = list(durations.values())
        return Records(
            np.array(self._rows, dtype=ROW), tuple(self._failures), effort, tuple(self._stages),
            stages,
        )  # fmt: skip

    def _failure(self, text: str) -> int:
        if not text:
            return -1
        if len(self._failures) >= MAX_FAILURES - 1:
            text = "other failures"
        return self._failures.setdefault(text[:LONGEST_FAILURE], len(self._failures))


def load(path: Path) -> Records:
    """Read what `save` wrote."""
    with np.load(path) as content:
        cpu, wall = content["effort"].tolist()
        return Records(
            content["table"], tuple(content["failures"].tolist()), Effort(cpu, wall),
            tuple(content["stage_names"].tolist()), content["stages"],
        )  # fmt: skip
