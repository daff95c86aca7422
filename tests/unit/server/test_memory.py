"""Memory that large requests free is there for the next ones."""

from __future__ import annotations

import subprocess
import sys

import pytest

PROGRAM = """
import resource, sys
from server.memory import keep_freed_memory

if sys.argv[1] == "kept" and not keep_freed_memory():
    sys.exit(3)
for turn in range(200):
    if turn == 20:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    parts = [bytearray(600_000) for _ in range(6)]
    del parts
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def _page_faults(how: str) -> int:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, how], capture_output=True, text=True, check=False
    )
    if done.returncode == 3:
        pytest.skip("another C library than glibc")
    return int(done.stdout)


def test_large_buffers_that_come_and_go_are_not_fetched_anew():
    assert _page_faults("kept") * 10 < _page_faults("given back")
