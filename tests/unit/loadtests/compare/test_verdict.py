"""Who wins what, and when nobody does: on comparisons whose truth is known."""

from __future__ import annotations

import numpy as np
import pytest

from loadtests.compare.against import changes, strangers
from loadtests.compare.verdict import goal_rate
from tests.unit.loadtests.compare.results import gamma, result


def verdict(made, goal: str):
    (found,) = [one for one in made.verdicts if one.goal.startswith(goal)]
    return found


def test_two_identical_candidates_are_called_indistinguishable():
    made = result({"A": gamma(1.0), "B": gamma(1.0)})

    for goal in ("lowest p50", "lowest p99", "least CPU"):
        found = verdict(made, goal)
        assert not found.is_clear
        assert found.best == ""
        assert "is within noise" in found.text
    assert verdict(made, "highest rate").text.startswith("All hold at least 200/s")


def test_identical_candidates_are_hardly_ever_told_apart():
    seeds = range(20)
    clear = [
        verdict(
            result({"A": gamma(1.0), "B": gamma(1.0)}, seed=seed, rates=(100.0,), count=150), goal
        )
        for seed in seeds
        for goal in ("lowest p50", "lowest p99")
    ]

    assert sum(one.is_clear for one in clear) <= 0.15 * len(clear)


def test_one_that_is_slower_is_found_slower_and_the_two_others_alike():
    made = result({"A": gamma(1.0), "B": gamma(1.0), "C": gamma(1.5)})

    found = verdict(made, "lowest p99 at 200")

    assert "Clearly behind: C" in found.text
    assert "within noise" in found.text


def test_a_clear_winner_is_named_with_its_figure():
    made = result({"slow": gamma(2.0), "quick": gamma(1.0)})

    found = verdict(made, "lowest p50")

    assert found.best == "quick"
    assert found.text.startswith(f"quick: {found.figures['quick']}, clearly ahead of slow")


def test_who_failed_parity_wins_nothing():
    facts = {"wrong": {"ranked": False, "why_not": "parity: out differs"}}
    made = result({"A": gamma(2.0), "B": gamma(1.0), "wrong": gamma(0.1)}, facts=facts)

    assert all("wrong" not in one.figures for one in made.verdicts)
    assert verdict(made, "lowest p50").best == "B"


def test_with_one_candidate_there_is_nothing_to_rank():
    assert result({"A": gamma(1.0)}).verdicts == []


def test_from_a_single_round_nothing_is_clear():
    made = result({"A": gamma(1.0), "B": gamma(9.0)}, rounds=1)

    assert "not known from a single round" in verdict(made, "lowest p50").text


def saturating(limit: float):
    def draw(random: np.random.Generator, rate: float, count: int) -> np.ndarray:
        return random.gamma(4, 1.0 if rate < limit else 30.0, count)

    return draw


def test_the_highest_rate_is_the_last_one_within_the_target():
    made = result({"A": saturating(300), "B": saturating(150)}, rates=(100.0, 200.0, 400.0))

    found = verdict(made, "highest rate with a p99 within 20 ms")

    assert found.text == "A: 200/s. Then B 100/s."
    assert goal_rate(made) == 100.0  # what both hold


def test_a_candidate_that_holds_no_rate_is_said():
    made = result({"A": saturating(0), "B": saturating(0)})

    assert verdict(made, "highest rate").text == "No candidate holds any of the rates."
    assert goal_rate(made) == 100.0


@pytest.mark.parametrize(
    ("memory", "said"),
    [
        (101_000_000, "A and B are alike (100 MB). Measured once."),
        (300_000_000, "A: 100 MB; B 300 MB. Measured once."),
    ],
)
def test_what_is_measured_once_is_said_to_be(memory, said):
    made = result({"A": gamma(1.0), "B": gamma(1.0)}, facts={"B": {"memory": memory}})

    assert verdict(made, "least memory").text == said


def test_memory_of_a_shared_server_is_nobodys():
    shared = {"memory_is_shared": True}
    made = result({"A": gamma(1.0), "B": gamma(1.0)}, facts={"A": shared, "B": shared})

    assert [one.goal for one in made.verdicts if "memory" in one.goal] == []


def test_against_an_older_comparison_only_what_is_beyond_noise_has_changed():
    old = result({"A": gamma(1.0), "B": gamma(1.0)}, seed=1)
    new = result({"A": gamma(1.0), "B": gamma(1.6)}, seed=2, facts={"A": {"load_s": 0.9}})

    found = {(one.candidate, one.what): one for one in changes(old, new)}

    assert not found["A", "p50 at 100/s, ms"].is_clear
    assert found["B", "p50 at 100/s, ms"].is_clear
    assert found["B", "p50 at 100/s, ms"].new > found["B", "p50 at 100/s, ms"].old
    assert found["A", "load, s"].is_clear
    assert not found["B", "load, s"].is_clear
    assert strangers(old, new) == []
