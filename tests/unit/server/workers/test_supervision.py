"""When a worker counts as hung, and how soon a dead one is started again."""

import pytest

from server.workers.supervision import (
    LONGEST_DELAY,
    WINDOW,
    HeartbeatLimits,
    is_crash_loop,
    recent,
    restart_delay,
)

LIMITS = HeartbeatLimits(1, 10, 300)


@pytest.mark.parametrize(
    ("silent", "busy", "expected"),
    [
        (0, 0, ""),
        (10, 300, ""),
        (10.5, 0, "no sign of life for 10.5 s, allowed is 10 s"),
        (1, 301, "one batch takes over 301.0 s, allowed is 300 s"),
    ],
)
def test_a_worker_is_hung_when_it_is_silent_or_busy_for_too_long(silent, busy, expected):
    assert LIMITS.complaint(silent, busy) == expected


def test_deaths_are_remembered_far_longer_than_the_longest_pause():
    assert recent([0.0, 100.0, 650.0], 650.0) == [100.0, 650.0]
    assert WINDOW > 10 * LONGEST_DELAY


@pytest.mark.parametrize(
    ("deaths", "delay"), [(1, 0), (2, 0.05), (3, 0.1), (5, 0.4), (12, 30), (1000, 30)]
)
def test_the_first_death_is_made_good_at_once_and_each_further_one_later(deaths, delay):
    assert restart_delay(deaths) == delay


def test_five_recent_deaths_are_a_crash_loop():
    assert not is_crash_loop(4)
    assert is_crash_loop(5)
