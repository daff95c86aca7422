"""Is there room for another version? Estimates against what is free, before anything is loaded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

MIB = 2**20
BASE = 32 * MIB
"""What a worker needs beside its model."""

GROWTH = 1.5
"""A loaded model over its artifact: weights are unpacked and working memory is allotted."""


@dataclass(frozen=True, slots=True)
class Footprint:
    """Bytes of memory a version is expected to need, and where the figure comes from."""

    bytes: int
    source: str


def estimate(declared: int | None, measured: int | None, artifact: int) -> Footprint:
    """The best figure at hand: declared in model.yaml, used by the version before, or guessed."""
    if declared is not None:
        return Footprint(declared, "footprint_bytes in model.yaml")
    if measured is not None:
        return Footprint(measured, "what the previous version uses")
    return Footprint(BASE + int(artifact * GROWTH), "the artifact's size")


def refusal(need: Footprint, workers: int, free: int | None, where: str = "") -> str:
    """Why the version cannot be loaded beside what is there, "" where it can; sizes in bytes."""
    total = need.bytes * workers
    if free is None or total <= free:
        return ""
    place = f" {where}" if where else ""
    return (
        f"not enough memory{place}: it needs about {total / MIB:.0f} MiB ({need.source}, "
        f"{workers} worker(s)) and {free / MIB:.0f} MiB are free. Free some, or set swap: replace "
        "in model.yaml to unload the old version first"
    )


def free_memory(proc: Path = Path("/proc"), cgroup: Path = Path("/sys/fs/cgroup")) -> int | None:
    """Bytes this machine or container can still give; None where it does not tell."""
    figures = [_meminfo(proc, "MemAvailable"), _cgroup_left(cgroup)]
    known = [figure for figure in figures if figure is not None]
    return min(known) if known else None


def memory_limit(proc: Path = Path("/proc"), cgroup: Path = Path("/sys/fs/cgroup")) -> int | None:
    """Bytes this machine has, or the container may have; None where neither tells."""
    figures = [_meminfo(proc, "MemTotal"), _number(cgroup / "memory.max")]
    known = [figure for figure in figures if figure is not None]
    return min(known) if known else None


def private_memory(pid: int, proc: Path = Path("/proc")) -> int | None:
    """Bytes that only this process holds: what its end gives back."""
    try:
        fields = _fields((proc / str(pid) / "smaps_rollup").read_text())
    except (OSError, ValueError):
        return None
    return sum(size for name, size in fields.items() if name.startswith("Private"))


@dataclass(frozen=True, slots=True)
class Memory:
    """Bytes a process has in memory: `resident` counts shared pages whole, `proportional` counts
    each by how many processes share it, so that it adds up.
    """

    resident: int
    proportional: int


def memory_of(pid: int, proc: Path = Path("/proc")) -> Memory | None:
    """What process `pid` has in memory; None where it is gone or not ours to look at."""
    try:
        fields = _fields((proc / str(pid) / "smaps_rollup").read_text())
    except (OSError, ValueError):
        return None
    return Memory(fields["Rss"], fields["Pss"]) if {"Rss", "Pss"} <= fields.keys() else None


def _meminfo(proc: Path, name: str) -> int | None:
    try:
        return _fields((proc / "meminfo").read_text()).get(name)
    except (OSError, ValueError):
        return None


def _number(path: Path) -> int | None:
    try:
        return int(path.read_text())
    except (OSError, ValueError):  # no limit reads "max"
        return None


def _cgroup_left(cgroup: Path) -> int | None:
    """What the container's limit leaves; page cache counts as free, since it can be dropped."""
    try:
        limit = int((cgroup / "memory.max").read_text())
        used = int((cgroup / "memory.current").read_text())
        stat = dict(line.split() for line in (cgroup / "memory.stat").read_text().splitlines())
        return limit - used + int(stat.get("inactive_file", 0))
    except (OSError, ValueError):  # no limit reads "max"
        return None


def _fields(text: str) -> Mapping[str, int]:
    """Lines such as `MemFree:  12 kB`, in bytes."""
    fields = {}
    for line in text.splitlines():
        name, _, rest = line.partition(":")
        amount = rest.split()
        if len(amount) == 2 and amount[1] == "kB":
            fields[name] = int(amount[0]) * 1024
    return fields
