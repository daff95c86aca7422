"""Lets a worker load behind those that serve: at a lower CPU priority, and then back at its own.

On Linux every thread has a priority of its own, which the threads it starts inherit. Frameworks
start theirs while they load, so all of the process must be brought back.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator
from pathlib import Path

LOWER_BY = 10
LOWEST = 19
MAX_ROUNDS = 10

_THREADS = Path("/proc/self/task")


@contextlib.contextmanager
def lowered_priority() -> Iterator[bool]:
    """Run the block at a lower CPU priority, where the present one can be had back; says whether.

    Lowering is always allowed; raising again needs CAP_SYS_NICE in the machine's own user
    namespace, or a limit (RLIMIT_NICE, `nice` in Compose's `ulimits`) that leaves room. Without
    them nothing is done: a worker that stayed slow would be worse than a neighbour slowed for a
    while.
    """
    before = os.getpriority(os.PRIO_PROCESS, 0)
    lowered = min(before + LOWER_BY, LOWEST)
    if lowered == before or not _can_return(before, lowered):
        yield False
        return
    _set_all(lowered)
    try:
        yield True
    finally:
        _set_all(before)


def _can_return(before: int, lowered: int) -> bool:
    """Try on a thread that is then thrown away: the rules are the kernel's, not ours to guess."""
    returned: list[bool] = []

    def attempt() -> None:
        try:
            os.setpriority(os.PRIO_PROCESS, 0, lowered)
            os.setpriority(os.PRIO_PROCESS, 0, before)
        except OSError:
            return
        returned.append(True)

    thread = threading.Thread(target=attempt, name="priority")
    thread.start()
    thread.join()
    return bool(returned)


def _set_all(priority: int) -> None:
    """Give every thread `priority`; those started meanwhile by one not yet reached, too."""
    for _ in range(MAX_ROUNDS):
        others = [thread for thread in _threads() if _priority(thread) not in (None, priority)]
        if not others:
            return
        for thread in others:
            with contextlib.suppress(ProcessLookupError):  # it has ended
                os.setpriority(os.PRIO_PROCESS, thread, priority)


def _threads() -> list[int]:
    return [int(entry.name) for entry in _THREADS.iterdir()]


def _priority(thread: int) -> int | None:
    try:
        return os.getpriority(os.PRIO_PROCESS, thread)
    except ProcessLookupError:
        return None
