"""Was it the generator that was measured? Its CPU and how late it sent say so."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from loadtests.generator.records import Records

CPU_LIMIT = 0.9
"""Of one CPU: above it, requests wait for the generator."""

BEHIND_LIMIT = 0.010
"""Seconds: a request taken up later than this after its moment is a late one."""

LATE_SHARE = 0.01
"""As many late requests as this and the p99 is the generator's."""


@dataclass(frozen=True, slots=True)
class Health:
    """What a generator was short of: `cpu_share` of one CPU, `late_share` of the requests.

    With several processes these are the worst of them.
    """

    cpu_share: float
    late_share: float

    @property
    def limits(self) -> tuple[str, ...]:
        """Why the figures are not the server's alone; none where they are."""
        found = []
        if self.cpu_share > CPU_LIMIT:
            found.append(f"its CPU was used to {self.cpu_share:.0%} (limit {CPU_LIMIT:.0%})")
        if self.late_share > LATE_SHARE:
            found.append(
                f"{self.late_share:.1%} of the requests were taken up more than "
                f"{BEHIND_LIMIT * 1000:.0f} ms after their moment (limit {LATE_SHARE:.0%})"
            )
        return tuple(found)

    def __str__(self) -> str:
        if self.limits:
            return (
                f"The generator itself was the limit: {'; '.join(self.limits)}. Latencies are too "
                "high and rates too low: use more processes, a lower rate, or another machine."
            )
        return (
            f"The generator was not the limit: at most {self.cpu_share:.0%} of a CPU per process, "
            f"{self.late_share:.2%} of the requests late."
        )


def health_of(records: Records) -> Health:
    """How one generator process did."""
    behind = records.table["behind"]
    late = float((behind > BEHIND_LIMIT).mean()) if len(behind) else 0.0
    return Health(records.effort.cpu_share, late)


def worst(healths: list[Health]) -> Health:
    """Several processes are as good as the worst in each respect."""
    if not healths:
        return Health(0.0, 0.0)
    return Health(
        float(np.max([health.cpu_share for health in healths])),
        float(np.max([health.late_share for health in healths])),
    )
