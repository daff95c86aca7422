"""Figures are medians over rounds, and compare only what was measured in the same round."""

from __future__ import annotations

import pytest

from loadtests.bench.figures import figures
from loadtests.bench.records import BARE, IN_PROCESS
from tests.unit.loadtests.bench.made import sample


def bare(**told):
    return sample(subject=BARE, variant="", worker_cpu=0.0, batch=1.0, **told)


def test_cpu_is_per_request_and_ratios_are_within_a_round():
    samples = [
        bare(round=0, cpu=0.1),
        sample(round=0, cpu=0.15),  # 1.5
        bare(round=1, cpu=0.4),  # somebody else was at work
        sample(round=1, cpu=0.64),  # 1.6
        bare(round=2, cpu=0.1),
        sample(round=2, cpu=0.17),  # 1.7
    ]

    (figure,) = figures(samples)

    assert figure.cpu == pytest.approx(0.17)
    assert figure.bare_cpu == pytest.approx(0.1)
    assert figure.cpu_over_bare == pytest.approx(1.6)


def test_a_round_without_its_baseline_is_not_compared():
    (figure,) = figures([bare(round=0, p50=0.4), sample(round=0, p50=0.6), sample(round=1, p50=9)])

    assert figure.added_p50 == pytest.approx(0.2)


def test_without_baselines_there_are_no_ratios():
    (figure,) = figures([sample()])

    assert (figure.cpu_over_bare, figure.added_p50, figure.over_in_process) == (None, None, None)


def test_throughput_in_process_counts_the_rows_of_its_batches():
    alone = sample(subject=IN_PROCESS, requests=500, rows=4000, seconds=4.0, cpu=2.0)

    (figure,) = figures([sample(requests=1800, rows=1800, seconds=2.0), alone])

    assert figure.over_in_process == pytest.approx(0.9)  # 900 of 1000 rows per second
    assert figure.in_process_ms == pytest.approx(0.5)


def test_rows_per_worker_second_leave_the_gateway_out():
    (figure,) = figures([sample(rows=1000, cpu=0.5, worker_cpu=0.1)])

    assert figure.rows_per_worker_second == pytest.approx(10_000)


def test_models_share_the_baseline_of_their_group_and_no_other():
    samples = [
        bare(cpu=0.1),
        sample(),
        sample(subject="echo", model="echo"),
        sample(group="large", subject="image", model="image"),
    ]

    ratios = {figure.key.model: figure.cpu_over_bare for figure in figures(samples)}

    assert ratios == {"digits-onnx": pytest.approx(1.5), "echo": pytest.approx(1.5), "image": None}
