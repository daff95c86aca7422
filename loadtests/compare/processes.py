"""What a server costs its machine: CPU seconds and memory of its whole tree of processes."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence

import psutil


def tree(pid: int) -> list[psutil.Process]:
    """The process and its descendants; none where there is no such process."""
    if pid <= 0:
        return []
    try:
        root = psutil.Process(pid)
        return [root, *root.children(recursive=True)]
    except psutil.Error:
        return []


def cpu_seconds(processes: Sequence[psutil.Process]) -> float | None:
    """Used so far by them and by those of their children that have ended; None of none."""
    total, seen = 0.0, False
    for process in processes:
        with contextlib.suppress(psutil.Error):
            times = process.cpu_times()
            # What ended and was waited for is with who waited, so that nothing is lost in a swap.
            total += times.user + times.system + times.children_user + times.children_system
            seen = True
    return total if seen else None


def memory(processes: Sequence[psutil.Process]) -> int | None:
    """Bytes they have, a page that n processes share counted as an nth (PSS).

    None where it may not be read, as of another user's processes.
    """
    total = 0
    for process in processes:
        try:
            total += int(process.memory_full_info().pss)
        except psutil.NoSuchProcess:
            continue
        except psutil.Error:
            return None
    return total or None
