"""Lets a worker load behind those that serve: only on CPU time nobody else wants, and then back.

A lower priority alone does not help those that serve: on a busy CPU the kernel lets a thread of
low priority finish its slice of some milliseconds before one that wakes up gets its turn. Idle
threads (SCHED_IDLE) are set aside at once. Under a load that never pauses they would hardly ever
run, so they stay idle only for a while.

On Linux every thread has a priority of its own, which the threads it starts inherit. Frameworks
start theirs while they load, so all of the process must be brought back.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

LOWER_BY = 10
LOWEST = 19
PATIENCE = 2.0
"""Seconds a worker loads on idle CPU time alone; after that with a lower priority."""

MAX_ROUNDS = 10

_THREADS = Path("/proc/self/task")
_NONE = os.sched_param(0)

Change = Callable[[int], bool]
"""Changes one thread, given its id; False where it is already so."""


@contextlib.contextmanager
def lowered_priority(patience: float = PATIENCE) -> Iterator[bool]:
    """Run the block behind everything else, where there is a way back; says whether.

    Lowering is always allowed; raising again needs CAP_SYS_NICE in the machine's own user
    namespace, or a limit (RLIMIT_NICE, `nice` in Compose's `ulimits`) that leaves room. Without
    them nothing is done: a worker that stayed slow would be worse than a neighbour slowed for a
    while.
    """
    before = os.getpriority(os.PRIO_PROCESS, 0)
    lowered = min(before + LOWER_BY, LOWEST)
    if os.sched_getscheduler(0) != os.SCHED_OTHER or not _can_return(before, lowered):
        yield False
        return
    over = threading.Event()
    _set_all(_idle)
    timer = threading.Thread(
        target=_lose_patience, args=(over, patience, lowered), daemon=True, name="patience"
    )
    timer.start()
    try:
        yield True
    finally:
        over.set()
        timer.join()
        _set_all(lambda thread: _normal(thread, before))


def step_back() -> None:
    """Leave what is still to be done to a lower priority, for good: this process is ending."""
    lowered = min(os.getpriority(os.PRIO_PROCESS, 0) + LOWER_BY, LOWEST)
    _set_all(lambda thread: _normal(thread, lowered))


def _lose_patience(over: threading.Event, patience: float, lowered: int) -> None:
    """Give the load a share of the CPUs, however busy they are, unless it is over by then."""
    if not over.wait(patience):
        _set_all(lambda thread: _normal(thread, lowered))


def _can_return(before: int, lowered: int) -> bool:
    """Try on a thread that is then thrown away: the rules are the kernel's, not ours to guess."""
    returned: list[bool] = []

    def attempt() -> None:
        try:
            os.sched_setscheduler(0, os.SCHED_IDLE, _NONE)
            os.sched_setscheduler(0, os.SCHED_OTHER, _NONE)
            os.setpriority(os.PRIO_PROCESS, 0, lowered)
            os.setpriority(os.PRIO_PROCESS, 0, before)
        except OSError:
            return
        returned.append(True)

    thread = threading.Thread(target=attempt, name="priority")
    thread.start()
    thread.join()
    return bool(returned)


def _idle(thread: int) -> bool:
    if os.sched_getscheduler(thread) == os.SCHED_IDLE:
        return False
    os.sched_setscheduler(thread, os.SCHED_IDLE, _NONE)
    return True


def _normal(thread: int, nice: int) -> bool:
    is_normal = os.sched_getscheduler(thread) == os.SCHED_OTHER
    if is_normal and os.getpriority(os.PRIO_PROCESS, thread) == nice:
        return False
    # The niceness first: what is idle does not feel it, and then it is right at once.
    os.setpriority(os.PRIO_PROCESS, thread, nice)
    os.sched_setscheduler(thread, os.SCHED_OTHER, _NONE)
    return True


def _set_all(change: Change) -> None:
    """Change every thread, those started meanwhile by one not yet reached, too."""
    for _ in range(MAX_ROUNDS):
        changed = [_changed(change, thread) for thread in _threads()]
        if not any(changed):
            return


def _changed(change: Change, thread: int) -> bool:
    try:
        return change(thread)
    except ProcessLookupError:  # it has ended
        return False


def _threads() -> list[int]:
    return [int(entry.name) for entry in _THREADS.iterdir()]
