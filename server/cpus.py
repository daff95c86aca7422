"""How many CPUs this process may really use: the container's quota, not the host's core count."""

from __future__ import annotations

import math
import os
from pathlib import Path

CGROUP = Path("/sys/fs/cgroup")


def quota_from_cgroup_v2(cpu_max: str) -> float | None:
    """CPUs granted by the text of `cpu.max` ("200000 100000" is 2.0; "max 100000" is None)."""
    quota, _, period = cpu_max.strip().partition(" ")
    if quota == "max" or not quota:
        return None
    return int(quota) / int(period or 100_000)


def quota_from_cgroup_v1(quota_us: str, period_us: str) -> float | None:
    """CPUs granted by `cpu.cfs_quota_us` and `cpu.cfs_period_us`; a quota of -1 is None."""
    quota, period = int(quota_us), int(period_us)
    return quota / period if quota > 0 and period > 0 else None


def usable_cpus(affinity: int, quota: float | None) -> int:
    """Whole CPUs to plan threads for: never more than the affinity mask, never less than one."""
    return max(1, min(affinity, math.floor(quota) if quota is not None else affinity))


def available_cpus(cgroup: Path = CGROUP) -> int:
    """Whole CPUs available to this process."""
    return usable_cpus(len(os.sched_getaffinity(0)), _quota(cgroup))


def frontends_for(cpus: int) -> int:
    """How many frontend processes to run where nobody says: half of the CPUs, 1 to 8.

    On two CPUs a second one would only take time from the workers, and hold memory. The other half
    is for the workers; beyond eight, connections are few for each of them.
    """
    return max(1, min(8, cpus // 2))


def _quota(cgroup: Path) -> float | None:
    try:
        return quota_from_cgroup_v2((cgroup / "cpu.max").read_text())
    except (OSError, ValueError):
        pass
    try:
        return quota_from_cgroup_v1(
            (cgroup / "cpu/cpu.cfs_quota_us").read_text(),
            (cgroup / "cpu/cpu.cfs_period_us").read_text(),
        )
    except (OSError, ValueError):
        return None
