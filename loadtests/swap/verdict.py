"""Was every request answered, and by a version that was READY while it was asked?"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from loadtests.swap.records import Records

Entry = Mapping[str, Any]
"""One transition as the admin API tells it."""

Spans = Mapping[tuple[str, int], Sequence[tuple[float, float]]]
"""When each (model, version) was READY, in Unix seconds."""

CLOCK_TOLERANCE = 0.001
"""Seconds: several processes read one clock, the history a moment before or after it acts."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """`failures` are texts with counts, `strangers` answers of a version that was not READY."""

    requests: int
    failures: Mapping[str, int]
    strangers: tuple[str, ...]
    versions: Mapping[str, int]

    @property
    def failed(self) -> int:
        """Requests without an answer."""
        return sum(self.failures.values())


def ready_spans(history: Sequence[Entry]) -> Spans:
    """When each version was READY, from the server's history, oldest first."""
    spans: dict[tuple[str, int], list[tuple[float, float]]] = defaultdict(list)
    for entry in history:
        of_version = spans[entry["model"], entry["version"]]
        if entry["target"] == "READY":
            of_version.append((entry["time"], math.inf))
        elif entry["source"] == "READY":
            of_version[-1] = (of_version[-1][0], entry["time"])
    return spans


def judge(records: Records, models: Sequence[str], history: Sequence[Entry]) -> Verdict:
    """Hold every answer against what the server says it served at that time."""
    table = records.table
    failed = table["failure"][table["failure"] >= 0]
    spans = ready_spans(history)
    strangers: list[str] = []
    versions: dict[str, int] = {}
    for index, model in enumerate(models):
        of_model = table[(table["failure"] < 0) & (table["model"] == index)]
        numbers = np.unique(of_model["version"]).tolist()
        versions[model] = len(numbers)
        for version in numbers:
            answers = of_model[of_model["version"] == version]
            outside = answers[~_within(answers, spans.get((model, version), ()))]
            strangers += [
                f"{model} answered with version {version}, sent {row['sent']:.3f}, answered "
                f"{row['answered']:.3f}, READY in {spans.get((model, version), ())}"
                for row in outside
            ]
    counts = Counter(records.failures[index] for index in failed)
    return Verdict(len(table), dict(counts), tuple(strangers), versions)


def _within(answers: NDArray[Any], spans: Sequence[tuple[float, float]]) -> NDArray[np.bool_]:
    """Which answers were under way at some moment of one of `spans`."""
    found = np.zeros(len(answers), bool)
    for begin, end in spans:
        found |= (answers["answered"] >= begin - CLOCK_TOLERANCE) & (
            answers["sent"] <= end + CLOCK_TOLERANCE
        )
    return found
