"""A worker that loads steps back, and is back at its own priority afterwards, with all threads."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

# In a process of its own: a test must not leave the others behind at a low priority.
PROGRAM = """
import json, os, resource, sys, threading
from runtimes.priority import lowered_priority

start, nobody = int(sys.argv[1]), sys.argv[2] == "nobody"
stop = threading.Event()
def priorities():
    # Not from /proc: a thread may be listed there for a moment after it was joined.
    threads = [thread.native_id for thread in threading.enumerate()]
    return sorted(os.getpriority(os.PRIO_PROCESS, thread) for thread in threads)

os.setpriority(os.PRIO_PROCESS, 0, start)
if nobody:
    resource.setrlimit(resource.RLIMIT_NICE, (0, 0))
    os.setuid(65534)
threading.Thread(target=stop.wait).start()
try:
    with lowered_priority() as lowered:
        threading.Thread(target=stop.wait).start()
        during = priorities()
        if sys.argv[3] == "fails":
            raise KeyError
except KeyError:
    pass
print(json.dumps([lowered, during, priorities()]))
stop.set()
"""

root = pytest.mark.skipif(os.geteuid() != 0, reason="only root may raise priorities for certain")


def _run(start=0, user="root", ending="passes"):
    command = [sys.executable, "-c", PROGRAM, str(start), user, ending]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


@pytest.mark.parametrize("ending", ["passes", "fails"])
def test_every_thread_is_back_whatever_was_allowed(ending):
    lowered, during, after = _run(ending=ending)
    assert during == ([10, 10, 10] if lowered else [0, 0, 0])
    assert after == [0, 0, 0]


@root
def test_who_may_raise_priorities_lowers_its_own():
    assert _run()[0] is True


@root
def test_who_may_not_come_back_does_not_go():
    assert _run(user="nobody") == [False, [0, 0, 0], [0, 0, 0]]


@root
@pytest.mark.parametrize(("start", "during"), [(5, 15), (12, 19)])
def test_the_lowest_priority_is_the_kernels(start, during):
    assert _run(start) == [True, [during] * 3, [start] * 3]


def test_who_is_lowest_already_stays():
    assert _run(19) == [False, [19] * 3, [19] * 3]
