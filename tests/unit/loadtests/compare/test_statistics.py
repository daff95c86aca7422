"""Percentiles are numpy's, intervals cover what they should, and noise is not taken for news."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtests.compare.statistics import (
    curve,
    difference,
    estimate,
    mean_estimate,
    percentile,
    percentiles,
)


@given(st.lists(st.floats(0.001, 1e4), min_size=1, max_size=300), st.floats(0, 99.9))
def test_a_percentile_is_numpys_or_unknown(values, quantile):
    found = percentile(np.array(values), quantile)

    assert found is None or found == np.percentile(values, quantile)


@pytest.mark.parametrize(
    ("count", "known"),
    [(1, []), (2, ["p50"]), (10, ["p50", "p90"]), (100, ["p50", "p90", "p99"]),
     (999, ["p50", "p90", "p99"]), (1000, ["p50", "p90", "p99", "p99.9"])],
)  # fmt: skip
def test_a_percentile_takes_as_many_values_as_leave_one_above_it(count, known):
    found = percentiles(np.arange(count, dtype=float))

    assert [name for name, value in found.items() if value is not None] == known


def test_the_percentiles_of_a_known_distribution_are_numpys_and_near_the_truth():
    values = np.random.default_rng(1).exponential(10, 200_000)

    found = percentiles(values)

    assert found["p99"] == np.percentile(values, 99)
    assert found["p99"] == pytest.approx(10 * np.log(100), rel=0.02)
    assert curve(values)[-1] == (99.9, np.percentile(values, 99.9))


def test_an_interval_covers_the_truth_about_as_often_as_it_says():
    random = np.random.default_rng(2)
    covered = 0
    for _ in range(400):
        rounds = list(10 * np.exp(random.normal(0, 0.1, 5)))
        found = estimate(float(np.exp(np.mean(np.log(rounds)))), rounds)
        covered += found.low <= 10 <= found.high

    assert 0.91 <= covered / 400 <= 0.985


def test_a_single_round_has_no_interval_and_nothing_is_clear_from_it():
    assert estimate(5.0, [5.0]).low is None
    assert not difference([1.0], [100.0]).is_clear


def test_what_no_round_knows_is_not_known():
    assert estimate(None, [None, None]) is None
    assert mean_estimate([None]) is None
    assert difference([None, 1.0], [1.0, None]) is None


def test_the_mean_of_rounds_has_an_interval_around_it():
    found = mean_estimate([1.0, 1.1, None, 0.9])

    assert found.value == pytest.approx(1.0)
    assert found.low < 1.0 < found.high


def test_what_happens_to_a_round_happens_to_both_and_hides_no_difference():
    busy = np.array([1.0, 3.0, 1.0, 2.0, 5.0])

    found = difference(list(1.1 * busy), list(busy))

    assert found.is_clear
    assert found.ratio == pytest.approx(1.1)


def test_the_same_is_told_apart_about_as_rarely_as_chance_has_it():
    random = np.random.default_rng(3)
    pairs = [np.exp(random.normal(0, 0.05, (2, 5))) for _ in range(400)]

    clear = sum(difference(list(a), list(b)).is_clear for a, b in pairs)

    assert clear / 400 < 0.09


def test_a_difference_too_small_to_matter_is_noise_however_often_it_is_seen():
    assert not difference([1.01] * 50, [1.0] * 50).is_clear
    assert difference([1.05] * 50, [1.0] * 50).is_clear
