"""Every measurement as a row of CSV, for spreadsheets and notebooks (pure)."""

from __future__ import annotations

import csv
import io

from loadtests.compare.result import Result
from loadtests.compare.stages import ORDER
from loadtests.compare.statistics import QUANTILES

PLAIN = ("candidate", "round", "rate", "seconds", "answered", "failed", "per_second", "mean_ms",
         "counted", "cpu_seconds", "memory", "gpu_use", "gpu_memory", "generator_cpu")  # fmt: skip


def to_csv(result: Result) -> str:
    """One row per candidate, rate and round; a rate of 0 is the closed loop."""
    target = io.StringIO()
    writer = csv.writer(target, lineterminator="\n")
    stages = [f"{name.replace(' ', '_')}_ms" for name in ORDER]
    writer.writerow([*PLAIN, *(f"{name}_ms" for name in QUANTILES), *stages, "generator_limits"])
    for cell in result.cells:
        plain = [getattr(cell, name) for name in PLAIN]
        writer.writerow(
            [
                _safe(plain[0]), *plain[1:], *(cell.latency_ms[name] for name in QUANTILES),
                *(cell.stages_ms.get(name) for name in ORDER), "; ".join(cell.limits),
            ]
        )  # fmt: skip
    return target.getvalue()


def _safe(text: str) -> str:
    """A spreadsheet takes a text that begins so for a formula."""
    return f"'{text}" if text[:1] in ("=", "+", "-", "@", "\t", "\r") else text
