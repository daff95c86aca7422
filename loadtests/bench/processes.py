"""CPU time and memory of a process with all its descendants, read from /proc."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")
TICKS = os.sysconf("SC_CLK_TCK")
WORKER_MARK = b"runtimes/__main__.py"
"""In the command lines of zygotes and of the workers they fork."""

_MAPPING = re.compile(r"^[0-9a-f]+-[0-9a-f]+ \S+ (\S+) (\S+) (\d+)", re.ASCII)


@dataclass(frozen=True, slots=True)
class Stat:
    """One process: its parent, and CPU seconds of its own and of descendants that have ended."""

    pid: int
    parent: int
    cpu: float
    ended: float


@dataclass(frozen=True, slots=True)
class Usage:
    """CPU seconds so far: of the whole tree, and of its workers."""

    all: float
    workers: float


@dataclass(frozen=True, slots=True)
class Memory:
    """Bytes resident. `once` counts every page once, however many processes of the tree have it;
    `summed` adds up what each process has."""

    once: int
    summed: int


def parse_stat(text: str) -> Stat:
    """The line of /proc/PID/stat; a process's name may hold anything, brackets and spaces too."""
    head, _, rest = text.rpartition(")")
    fields = rest.split()
    user, system, user_ended, system_ended = (int(field) / TICKS for field in fields[11:15])
    return Stat(
        int(head.split(" ", 1)[0]), int(fields[1]), user + system, user_ended + system_ended
    )


def descendants(root: int, stats: Iterable[Stat]) -> list[Stat]:
    """`root` and all below it."""
    known = {stat.pid: stat for stat in stats}
    children: dict[int, list[Stat]] = {}
    for stat in known.values():
        children.setdefault(stat.parent, []).append(stat)
    found = [known[root]] if root in known else []
    for stat in found:  # grows while it is gone through
        found += children.get(stat.pid, ())
    return found


def usage(root: int) -> Usage:
    """CPU seconds used so far by the tree below `root`, itself included."""
    tree = descendants(root, _stats())
    marked = {stat.pid for stat in tree if WORKER_MARK in _command(stat.pid)}
    return Usage(
        all=sum(stat.cpu + stat.ended for stat in tree),
        workers=sum(stat.cpu for stat in tree if stat.pid in marked and stat.parent in marked),
    )


def memory(root: int) -> Memory:
    """What the tree below `root` holds of the machine's memory now.

    Pages of files (code) count once per tree, also where other programs share them: otherwise a
    neighbour with the same libraries would make this one look smaller.
    """
    shared, summed, files = 0, 0, dict[tuple[str, str, str], int]()
    for stat in descendants(root, _stats()):
        with suppress(OSError):
            rollup = _fields((PROC / f"{stat.pid}/smaps_rollup").read_text())
            shared += rollup["Pss_Anon"] + rollup["Pss_Shmem"]
            summed += rollup["Rss"]
            for mapping, resident in file_mappings((PROC / f"{stat.pid}/smaps").read_text()):
                files[mapping] = max(files.get(mapping, 0), resident)
    return Memory(shared + sum(files.values()), summed)


def file_mappings(smaps: str) -> Iterator[tuple[tuple[str, str, str], int]]:
    """Of each mapping of a file its (offset, device, inode), and the bytes of it that are there.

    Pages of a private mapping that were written to are anonymous by then, and are left out.
    """
    mapping, resident = ("", "", "0"), 0
    for line in smaps.splitlines():
        if found := _MAPPING.match(line):
            mapping = (found[1], found[2], found[3])
        elif line.startswith("Rss:"):
            resident = _bytes(line)
        elif line.startswith("Anonymous:") and mapping[2] != "0" and mapping[1] != "00:01":
            yield mapping, max(0, resident - _bytes(line))


def _fields(text: str) -> dict[str, int]:
    return {line.split(":")[0]: _bytes(line) for line in text.splitlines() if line.endswith("kB")}


def _bytes(line: str) -> int:
    return int(line.split()[-2]) * 1024


def _stats() -> Iterator[Stat]:
    for folder in PROC.iterdir():
        if folder.name.isdigit():
            with suppress(OSError):
                yield parse_stat((folder / "stat").read_text())


def _command(pid: int) -> bytes:
    try:
        return (PROC / f"{pid}/cmdline").read_bytes()
    except OSError:
        return b""
