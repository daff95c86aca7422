"""CPU and memory are those of a process and all below it, every page once."""

from __future__ import annotations

import os

from loadtests.bench.processes import (
    TICKS,
    Stat,
    descendants,
    file_mappings,
    memory,
    parse_stat,
    usage,
)

SMAPS = """\
7f00-7f10 r-xp 00001000 fe:00 42                         /lib/a (b).so
Size:                 64 kB
Rss:                  40 kB
Anonymous:             8 kB
7f10-7f20 rw-p 00000000 00:00 0
Rss:                  64 kB
Anonymous:            64 kB
7f20-7f30 rw-s 00000000 00:01 7                          /memfd:x (deleted)
Rss:                  64 kB
Anonymous:             0 kB
"""


def test_a_process_may_be_called_anything():
    stat = parse_stat(f"17 (a) b (c)) S 3 {'0 ' * 9}{TICKS} {2 * TICKS} {3 * TICKS} 0 20")

    assert stat == Stat(pid=17, parent=3, cpu=3.0, ended=3.0)


def test_descendants_are_found_in_whatever_order_they_are_listed():
    stats = [Stat(pid, parent, 0, 0) for pid, parent in ((4, 3), (9, 1), (3, 2), (2, 1), (5, 2))]

    assert sorted(stat.pid for stat in descendants(2, stats)) == [2, 3, 4, 5]


def test_a_process_that_is_gone_has_no_descendants():
    assert descendants(7, [Stat(1, 0, 0, 0)]) == []


def test_only_pages_of_files_are_counted_by_file():
    assert list(file_mappings(SMAPS)) == [(("00001000", "fe:00", "42"), 32 * 1024)]


def test_this_process_is_measured():
    held = memory(os.getpid())

    assert 0 < held.once <= held.summed
    assert usage(os.getpid()).all > 0
