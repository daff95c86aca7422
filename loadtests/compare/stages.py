"""Where the time of a request went, in the few stages that all servers can be told in (pure)."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from loadtests.compare.counters import Counters
from loadtests.generator.records import Records

ORDER = ("client and network", "protocol", "transfer", "queue", "batching", "compute")
"""As they follow each other, and are drawn."""

FINE = {
    "decode": "protocol", "encode": "protocol",
    "transfer_in": "transfer", "transfer_out": "transfer",
    "queue": "queue",
    "assemble": "batching", "split": "batching",
    "compute": "compute",
}  # fmt: skip
"""Stages of a Server-Timing header, and which of ours they belong to."""


def stages_of(records: Records, counted: Counters | None, mean_ms: float) -> dict[str, float]:
    """Mean milliseconds per stage, from the answers themselves or else the server's statistics.

    What the server does not know of, from the moment a request was due, is the client's and the
    network's. Empty where neither tells.
    """
    found = _told(records) or (counted.stages_ms() if counted else {})
    if not found:
        return {}
    found["client and network"] = max(0.0, mean_ms - sum(found.values()))
    return {name: found[name] for name in ORDER if name in found}


def _told(records: Records) -> dict[str, float]:
    if records.stages is None or not len(records.stages):
        return {}
    told = ~np.isnan(records.stages).all(axis=1)
    found: dict[str, float] = {}
    for column, name in enumerate(records.stage_names):
        stage = FINE.get(name)
        if stage is not None and told.any():
            mean = float(np.nansum(records.stages[told, column]) / told.sum())
            found[stage] = found.get(stage, 0.0) + mean
    return found


def mean_of(parts: list[tuple[int, Mapping[str, float]]]) -> dict[str, float]:
    """Several measurements' stages together, each with its number of requests."""
    weights = [(count, stages) for count, stages in parts if stages and count]
    total = sum(count for count, _ in weights)
    return {
        name: sum(count * stages.get(name, 0.0) for count, stages in weights) / total
        for name in ORDER
        if any(name in stages for _, stages in weights)
    }
