"""What a server says it did: the statistics extension of the Open Inference Protocol."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import requests

from loadtests.compare.model_page import model_page
from loadtests.compare.places import Place
from loadtests.compare.refused import RefusedError

TIMEOUT = 10.0
NS_PER_MS = 1e6


@dataclass(frozen=True, slots=True)
class Counters:
    """Running totals of a model, all its versions together; times in nanoseconds."""

    answered: int = 0
    total_ns: int = 0
    queue_ns: int = 0
    transfer_ns: int = 0
    compute_ns: int = 0
    batches: dict[int, int] = field(default_factory=dict)

    def since(self, before: Counters) -> Counters:
        """What was added after `before`."""
        batches = {
            size: count - before.batches.get(size, 0)
            for size, count in sorted(self.batches.items())
            if count > before.batches.get(size, 0)
        }
        return Counters(
            self.answered - before.answered,
            self.total_ns - before.total_ns,
            self.queue_ns - before.queue_ns,
            self.transfer_ns - before.transfer_ns,
            self.compute_ns - before.compute_ns,
            batches,
        )

    def stages_ms(self) -> dict[str, float]:
        """The mean of each stage per request; none where nothing was answered."""
        if self.answered <= 0:
            return {}
        per = self.answered * NS_PER_MS
        known = {
            "queue": self.queue_ns / per,
            "transfer": self.transfer_ns / per,
            "compute": self.compute_ns / per,
        }
        return {**known, "protocol": max(0.0, self.total_ns / per - sum(known.values()))}


def read_counters(place: Place) -> Counters | None:
    """As `ask_for_counters`, None also where they are refused."""
    try:
        return ask_for_counters(place)
    except RefusedError:
        return None


def ask_for_counters(place: Place) -> Counters | None:
    """Ask its server; None where it has no such statistics. Raises RefusedError."""
    if not place.rest:
        return None
    try:
        answer = model_page(place, "/stats", TIMEOUT)
        if answer.status_code != 200:
            return None
        return counters_of(answer.json())
    except (requests.RequestException, ValueError, KeyError, TypeError, AttributeError):
        return None


def counters_of(document: Mapping[str, Any]) -> Counters:
    """The totals in such an answer. Raises KeyError, TypeError or ValueError where it is none."""
    answered = total = queue = transfer = compute = 0
    batches: dict[int, int] = {}
    for entry in document["model_stats"]:
        told = entry["inference_stats"]
        answered += int(told["success"]["count"])
        total += int(told["success"]["ns"])
        queue += int(told["queue"]["ns"])
        transfer += int(told["compute_input"]["ns"]) + int(told["compute_output"]["ns"])
        compute += int(told["compute_infer"]["ns"])
        for batch in entry.get("batch_stats", []):
            size = int(batch["batch_size"])
            batches[size] = batches.get(size, 0) + int(batch["compute_infer"]["count"])
    return Counters(answered, total, queue, transfer, compute, batches)
