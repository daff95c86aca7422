"""The machine's CPUs and memory, as the kernel tells of them."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

_IDLE = (3, 4)
"""Where idle time and waiting for disks stand in /proc/stat."""


@dataclass(frozen=True, slots=True)
class Host:
    """`cpu` is the share of time, 0 to 1, in which CPUs were busy since they were last asked
    about; memory is bytes. None where the kernel does not tell.
    """

    cpu: float | None
    memory_total: int | None
    memory_used: int | None


def cpu_seconds_of(pid: int, proc: Path = Path("/proc")) -> float | None:
    """CPU time process `pid` has used, its own and the kernel's for it; None where it is gone."""
    try:
        # The name before may hold blanks and brackets; user and system time are fields 14 and 15.
        fields = (proc / str(pid) / "stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    except (OSError, ValueError, IndexError):
        return None


class HostReader:
    """Reads /proc; belongs to whoever asks at intervals."""

    def __init__(self, proc: Path = Path("/proc")) -> None:
        self._proc = proc
        self._before = _ticks(proc) or (0, 0)

    def read(self) -> Host:
        """The machine as it is now."""
        total, available = _memory(self._proc)
        used = None if total is None or available is None else total - available
        return Host(self._cpu(), total, used)

    def _cpu(self) -> float | None:
        now = _ticks(self._proc)
        if now is None:
            return None
        busy, all_of_it = now[0] - self._before[0], now[1] - self._before[1]
        self._before = now
        return max(0.0, busy / all_of_it) if all_of_it > 0 else 0.0


def _ticks(proc: Path) -> tuple[int, int] | None:
    """Time spent busy and in all, over all CPUs."""
    try:
        first = (proc / "stat").read_text().split("\n", 1)[0].split()
        # Beyond the eighth they are counted a second time.
        ticks = [int(field) for field in first[1:9]]
    except (OSError, ValueError):
        return None
    return sum(ticks) - sum(ticks[index] for index in _IDLE if index < len(ticks)), sum(ticks)


def _memory(proc: Path) -> tuple[int | None, int | None]:
    """Bytes of memory in all, and of those that can still be had."""
    try:
        lines = (proc / "meminfo").read_text().splitlines()
        fields = {name: int(rest.split()[0]) * 1024 for name, _, rest in map(_parted, lines)}
    except (OSError, ValueError, IndexError):
        return None, None
    return fields.get("MemTotal"), fields.get("MemAvailable")


def _parted(line: str) -> tuple[str, str, str]:
    return line.partition(":")
