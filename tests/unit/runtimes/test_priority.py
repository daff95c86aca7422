"""A worker that loads steps back, and is back at its own priority afterwards, with all threads."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

# In a process of its own: a test must not leave the others behind at a low priority.
PROGRAM = """
import json, os, resource, sys, threading, time
from runtimes.priority import lowered_priority, step_back

start, nobody, patience = int(sys.argv[1]), sys.argv[2] == "nobody", float(sys.argv[4])
stop = threading.Event()
IDLE = "idle"
def priorities():
    # Not from /proc: a thread may be listed there for a moment after it was joined.
    threads = [t.native_id for t in threading.enumerate() if t.name != "patience"]
    return [
        IDLE if os.sched_getscheduler(thread) == os.SCHED_IDLE
        else os.getpriority(os.PRIO_PROCESS, thread)
        for thread in threads
    ]

os.setpriority(os.PRIO_PROCESS, 0, start)
if nobody:
    resource.setrlimit(resource.RLIMIT_NICE, (0, 0))
    os.setuid(65534)
threading.Thread(target=stop.wait).start()
try:
    with lowered_priority(patience) as lowered:
        threading.Thread(target=stop.wait).start()
        deadline = time.monotonic() + 20
        while patience == 0 and IDLE in priorities() and time.monotonic() < deadline:
            time.sleep(0.001)
        during = priorities()
        if sys.argv[3] == "fails":
            raise KeyError
except KeyError:
    pass
after = priorities()
step_back()
print(json.dumps([lowered, during, after, priorities()]))
stop.set()
"""

root = pytest.mark.skipif(os.geteuid() != 0, reason="only root may raise priorities for certain")
IDLE = ["idle"] * 3


def _run(start=0, user="root", ending="passes", patience=60):
    command = [sys.executable, "-c", PROGRAM, str(start), user, ending, str(patience)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


@pytest.mark.parametrize("ending", ["passes", "fails"])
def test_every_thread_is_back_whatever_was_allowed(ending):
    lowered, during, after, _ = _run(ending=ending)
    assert during == (IDLE if lowered else [0, 0, 0])
    assert after == [0, 0, 0]


@root
def test_who_may_raise_priorities_lowers_its_own():
    assert _run()[:2] == [True, IDLE]


@root
def test_who_may_not_come_back_does_not_go():
    assert _run(user="nobody")[:3] == [False, [0, 0, 0], [0, 0, 0]]


@root
@pytest.mark.parametrize(("start", "during"), [(0, 10), (5, 15), (12, 19)])
def test_who_loads_for_long_gets_a_share_of_busy_cpus_however_small(start, during):
    assert _run(start, patience=0)[:3] == [True, [during] * 3, [start] * 3]


@root
def test_a_priority_that_is_not_zero_is_found_again():
    assert _run(5)[:3] == [True, IDLE, [5] * 3]


@pytest.mark.parametrize(("start", "then"), [(0, 10), (12, 19)])
def test_who_ends_steps_back_with_all_threads(start, then):
    assert _run(start)[3] == [then] * 3
