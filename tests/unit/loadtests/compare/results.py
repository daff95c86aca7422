"""Results made up for tests: latencies as told, everything else plausible."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from loadtests.compare.found import Found
from loadtests.compare.gpu import GpuUse
from loadtests.compare.measure import Seen, cell_of
from loadtests.compare.parity import OutputParity
from loadtests.compare.points import points_of
from loadtests.compare.result import CandidateResult, Cell, Requests, Result, Swap
from loadtests.compare.verdict import verdicts
from loadtests.generator.records import ROW, Effort, Records

Draw = Callable[[np.random.Generator, float, int], np.ndarray]
"""Latencies in ms: from chance, the rate, and how many."""


TERMS = {"protocol": "rest", "rows": "1", "threads": "1", "workers": "1", "device": "cpu",
         "precision": "fp32", "batching": "off", "frontends": "1"}  # fmt: skip


def records(latencies_ms: np.ndarray, failed: int = 0) -> Records:
    """What a generator would have brought home, sent at even moments of one second."""
    table = np.zeros(len(latencies_ms) + failed, ROW)
    table["failure"] = -1
    table["failure"][len(latencies_ms) :] = 0
    table["intended"] = np.linspace(0, 1, len(table))
    table["latency"][: len(latencies_ms)] = latencies_ms / 1000
    table["answered"] = table["intended"] + table["latency"]
    return Records(table, ("503 no",) if failed else (), Effort(0.1, 1.0))


def candidate(name: str, **fields: object) -> CandidateResult:
    base: dict[str, object] = {
        "name": name, "model": f"models/{name}", "where": "Underway", "runtime": "onnx",
        "framework": "onnx 1", "terms": TERMS, "settings": "threads: 1\n", "ranked": True,
        "why_not": "", "parity": [OutputParity("out", True, 0.5, 1e-7, 1e-6, 1.0, 2.0)],
        "right": 1.0, "load_s": 0.5, "warm_up_s": 0.1, "first_ms": 9.0, "usual_ms": 3.0,
        "capacity": 1000.0, "artifact_bytes": 1000, "memory": 100_000_000,
        "memory_is_shared": False, "gpu_memory": None, "requests": Requests(9, 1, 20, 300, 330),
        "command": "underway serve",
    }  # fmt: skip
    return CandidateResult(**{**base, **fields})  # type: ignore[arg-type]


def result(
    draws: Mapping[str, Draw],
    rates: tuple[float, ...] = (100.0, 200.0),
    rounds: int = 5,
    count: int = 400,
    facts: Mapping[str, Mapping[str, object]] | None = None,
    seed: int = 7,
) -> Result:
    """A comparison in which each candidate's latencies are drawn by its own function."""
    random = np.random.default_rng(seed)
    found = Found()
    for number in range(1, rounds + 1):
        for rate in rates:
            for name, draw in draws.items():
                latencies = draw(random, rate, count)
                found.cells.append(cell(name, number, rate, latencies))
                found.latencies[name, rate, number] = latencies
    made = Result(
        title="A title", when="2026-01-02T03:04:05+00:00", spec="title: A title\n",
        command="underway compare spec.yaml", machine={"processor": "One", "CPUs": "2 of 2 usable"},
        versions={"Python": "3.11"}, target_p99_ms=20.0, rounds=rounds, seconds=1.0,
        rates=list(rates), seed=1, reference=next(iter(draws)),
        candidates=[candidate(name, **(facts or {}).get(name, {})) for name in draws],
        differences={}, explanations=["Sums are in another order."], cells=found.cells,
        points=points_of(found.cells, found.latencies),
        swaps=[Swap(name, 100.0, 1.0, 1.5, 1.7, 50, 0, 4.0, 6.0, [(0.5, 3.0), (1.2, 6.0)])
               for name in draws],
    )  # fmt: skip
    made.verdicts.extend(verdicts(made))
    return made


def cell(name: str, number: int, rate: float, latencies: np.ndarray) -> Cell:
    return cell_of(
        name, number, rate, records(latencies), Seen(None, 1.0), Seen(None, 1.5), GpuUse(), 5_000
    )


def gamma(scale: float) -> Draw:
    """Long-tailed, and every round is a little faster or slower as a whole."""

    def draw(random: np.random.Generator, _rate: float, count: int) -> np.ndarray:
        return random.gamma(4, scale, count) * random.normal(1, 0.02)

    return draw
