"""Every answer as one row of a table, written by the generators and read by the report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from loadtests.swap.answer import Answer
from loadtests.swap.plan import Arrival, Plan

PROTOCOLS = ("rest", "grpc")

ROW = np.dtype(
    [
        ("protocol", "u1"),  # index into PROTOCOLS
        ("model", "u1"),  # index into the plan's models
        ("rows", "u1"),
        ("version", "i4"),  # 0 where it failed
        ("failure", "i2"),  # index into the failures, -1 where it was answered
        ("intended", "f8"),  # Unix seconds, as sent and answered
        ("sent", "f8"),
        ("answered", "f8"),
        ("latency", "f8"),  # seconds since the intended moment, on the monotonic clock
        ("late", "f8"),  # seconds from the intended moment until it was sent
    ]
)


@dataclass(frozen=True, slots=True)
class Records:
    """All answers, and the different texts of the failures among them."""

    table: NDArray[Any]
    failures: tuple[str, ...]

    def save(self, path: Path) -> None:
        """Write them to a file."""
        np.savez(path, table=self.table, failures=np.array(self.failures, dtype=str))


class Recorder:
    """Collects one generator's answers."""

    def __init__(self, plan: Plan) -> None:
        self._protocol = PROTOCOLS.index(plan.protocol)
        self._models = {model: index for index, model in enumerate(plan.models)}
        self._rows: list[tuple[float, ...]] = []
        self._failures: dict[str, int] = {}

    def add(self, arrival: Arrival, answer: Answer, ended: float) -> None:
        """Keep one; `ended` is when it was answered, on the monotonic clock."""
        failure = -1
        if answer.failure:
            failure = self._failures.setdefault(answer.failure[:300], len(self._failures))
        late = answer.started - arrival.at
        self._rows.append(
            (
                self._protocol, self._models[arrival.model], arrival.rows, answer.version, failure,
                answer.sent - late, answer.sent, answer.answered, ended - arrival.at, late,
            )
        )  # fmt: skip

    def records(self) -> Records:
        """What was collected."""
        return Records(np.array(self._rows, dtype=ROW), tuple(self._failures))


def load(paths: Sequence[Path]) -> Records:
    """The records of several generators as one, by the intended moment."""
    tables, failures = [], list[str]()
    for path in paths:
        with np.load(path) as content:
            table = content["table"].copy()
            table["failure"][table["failure"] >= 0] += len(failures)
            failures += content["failures"].tolist()
        tables.append(table)
    joined = np.concatenate(tables)
    return Records(joined[np.argsort(joined["intended"])], tuple(failures))
