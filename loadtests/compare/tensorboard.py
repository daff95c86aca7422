"""The figures for TensorBoard: a run per candidate with scalars over the rate, and hparams."""

from __future__ import annotations

import re
from pathlib import Path

from tensorboardX import SummaryWriter

from loadtests.compare.result import CLOSED, CandidateResult, Result
from loadtests.compare.statistics import QUANTILES


def write_tensorboard(result: Result, folder: Path) -> None:
    """One run per candidate in `folder`; the step of a scalar is the rate in requests per second.

    The terms and settings are the hyperparameters, the figures at each rate the metrics.
    """
    for candidate in result.candidates:
        name = re.sub(r"[^A-Za-z0-9_.-]+", "-", candidate.name)
        with SummaryWriter(str(folder / name)) as writer:
            metrics = {**_facts(candidate), **_scalars(writer, result, candidate.name)}
            settings = {**candidate.terms, "runtime": candidate.runtime}
            writer.add_hparams(settings, metrics, name="settings")


def _scalars(writer: SummaryWriter, result: Result, name: str) -> dict[str, float]:
    """Written as scalars; those of the highest rate are given back."""
    last: dict[str, float] = {}
    for rate in result.rates:
        point = result.point(name, rate)
        if point is None:
            continue
        found = {f"latency_ms/{key}": point.latency_ms[key] for key in QUANTILES}
        found["cpu_seconds_per_1000"] = point.cpu_seconds_per_1000
        found["gpu_seconds_per_1000"] = point.gpu_seconds_per_1000
        found["answered_per_second"] = point.per_second
        known = {key: each.value for key, each in found.items() if each is not None}
        for key, value in known.items():
            writer.add_scalar(key, value, round(rate))
        for stage, value in point.stages_ms.items():
            writer.add_scalar(f"stages_ms/{stage.replace(' ', '_')}", value, round(rate))
        last.update({f"hparam/{key}": value for key, value in known.items()})
    closed = result.point(name, CLOSED)
    if closed is not None and closed.per_second is not None:
        last["hparam/closed_loop_per_second"] = closed.per_second.value
    return last


def _facts(candidate: CandidateResult) -> dict[str, float]:
    facts = {
        "hparam/memory_bytes": candidate.memory,
        "hparam/load_s": candidate.load_s,
        "hparam/first_request_ms": candidate.first_ms,
        "hparam/artifact_bytes": candidate.artifact_bytes,
    }
    return {name: float(value) for name, value in facts.items() if value is not None}
