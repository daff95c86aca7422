"""What a server costs its machine: CPU seconds and memory of its whole tree of processes."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import psutil


def cpu_seconds(pid: int) -> float | None:
    """Used so far by the process, its descendants, and those of them that have ended.

    None where there is no such process.
    """
    total, seen = 0.0, False
    for process in _tree(pid):
        with contextlib.suppress(psutil.Error):
            times = process.cpu_times()
            # What ended and was waited for is with who waited, so that nothing is lost in a swap.
            total += times.user + times.system + times.children_user + times.children_system
            seen = True
    return total if seen else None


def memory(pid: int) -> int | None:
    """Bytes of the tree, a page that n processes share counted as an nth (PSS).

    None where it may not be read, as of another user's processes.
    """
    total = 0
    for process in _tree(pid):
        try:
            total += int(process.memory_full_info().pss)
        except psutil.NoSuchProcess:
            continue
        except psutil.Error:
            return None
    return total or None


def _tree(pid: int) -> Iterator[psutil.Process]:
    if pid <= 0:
        return
    with contextlib.suppress(psutil.Error):
        root = psutil.Process(pid)
        yield root
        yield from root.children(recursive=True)
