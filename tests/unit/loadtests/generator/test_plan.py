"""When requests are due is fixed by the plan and its seed, and by nothing that happens later."""

from __future__ import annotations

from itertools import islice

import numpy as np
import pytest

from loadtests.generator.plan import Plan, arrivals


def plan(**fields: object) -> Plan:
    return Plan(transport="http", address="127.0.0.1:1", requests=(b"a", b"b"), **fields)  # type: ignore[arg-type]


def test_constant_arrivals_are_evenly_spaced_and_end_with_the_plan():
    due = [
        arrival.at for arrival in arrivals(plan(rate=4, moments="constant", start=10, seconds=1))
    ]

    assert due == pytest.approx([10.25, 10.5, 10.75])


def test_poisson_arrivals_have_the_rate_and_the_spread_of_a_poisson_process():
    due = np.array([arrival.at for arrival in islice(arrivals(plan(rate=100)), 20_000)])
    gaps = np.diff(due)

    assert gaps.mean() == pytest.approx(0.01, rel=0.03)
    assert gaps.std() == pytest.approx(0.01, rel=0.05)  # of an exponential: that of its mean


def test_the_same_seed_gives_the_same_arrivals_and_another_one_others():
    first, again, other = (
        [(arrival.at, arrival.request) for arrival in islice(arrivals(plan(rate=9, seed=seed)), 50)]
        for seed in (1, 1, 2)
    )

    assert first == again != other


def test_requests_are_sent_with_the_share_of_their_weights():
    due = islice(arrivals(plan(rate=1, weights=(0.9, 0.1))), 10_000)

    assert np.mean([arrival.request for arrival in due]) == pytest.approx(0.1, abs=0.02)


def test_a_closed_loop_has_questions_without_end():
    due = list(islice(arrivals(plan(rate=0, seconds=1)), 5000))

    assert {arrival.request for arrival in due} == {0, 1}


def test_a_plan_survives_its_file():
    given = plan(rate=3.5, weights=(0.25, 0.75), method="/a/B", clients=7)

    assert Plan.unpack(given.pack()) == given
