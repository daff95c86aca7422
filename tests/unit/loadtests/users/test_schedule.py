"""The shapes of a load, as tables of users over time."""

from __future__ import annotations

import pytest

from loadtests.users.schedule import SHAPES, Moment, saturation, users_at

TOTAL, PEAK = 100.0, 50


@pytest.mark.parametrize(
    ("shape", "users"),
    [
        ("steady", [50, 50, 50, 50, 50]),
        ("steps", [10, 20, 30, 40, 50]),
        ("ramp", [5, 15, 25, 35, 45]),
        ("spike", [10, 10, 50, 10, 10]),
        ("soak", [50, 50, 50, 50, 50]),
        ("swap", [50, 50, 50, 50, 50]),
    ],
)
def test_a_shape_has_so_many_users(shape, users):
    moments = (10, 30, 50, 70, 90)

    assert [users_at(shape, moment, TOTAL, PEAK) for moment in moments] == users


@pytest.mark.parametrize("shape", SHAPES)
def test_every_shape_ends_with_its_time_and_always_has_a_user(shape):
    assert users_at(shape, TOTAL, TOTAL, PEAK) is None
    assert users_at(shape, 0.0, TOTAL, 1) == 1


def test_a_steady_load_without_a_time_goes_on():
    assert users_at("steady", 1e6, 0.0, PEAK) == PEAK


START = Moment(rate=100, p95=10, failed=0)


@pytest.mark.parametrize(
    ("now", "limit", "reason"),
    [
        (Moment(500, 49, 0), 0, ""),
        (Moment(500, 51, 0), 0, "the p95 was 51 ms, above 50 ms"),
        (Moment(500, 51, 0), 100, ""),
        (Moment(500, 101, 0), 100, "the p95 was 101 ms, above 100 ms"),
        (Moment(500, 9, 0.02), 0, "2.0% of the requests failed"),
    ],
)
def test_a_server_is_saturated_when_latency_or_failures_grow(now, limit, reason):
    assert saturation(now, START, limit) == reason
