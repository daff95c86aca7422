"""Figures of one measurement, stages, counters, rounds and points: from what was recorded."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import psutil
import pytest

from loadtests.compare.counters import Counters, counters_of
from loadtests.compare.gpu import GpuUse, GpuWatch, look
from loadtests.compare.measure import Seen, cell_of
from loadtests.compare.points import points_of
from loadtests.compare.processes import cpu_seconds, memory, tree
from loadtests.compare.result import CLOSED
from loadtests.compare.rounds import rates_for, steps
from loadtests.compare.stages import stages_of
from loadtests.compare.swaps import MOST_DOTS, swap_of
from loadtests.generator.records import Effort, Records
from tests.unit.loadtests.compare.results import cell, records

NOTHING = Seen(None, None)


def measured(made: Records, before: Seen = NOTHING, after: Seen = NOTHING, **gpu: object):
    return cell_of("a", 1, 100.0, made, before, after, GpuUse(**gpu), None)


def test_a_measurements_percentiles_are_numpys_of_what_was_answered():
    latencies = np.random.default_rng(1).gamma(2, 3, 2000)

    found = measured(records(latencies, failed=3))

    assert found.latency_ms["p99"] == pytest.approx(np.percentile(latencies, 99))
    assert found.latency_ms["p99.9"] == pytest.approx(np.percentile(latencies, 99.9))
    assert (found.answered, found.failed, found.failures) == (2000, 3, {"503 no": 3})


def test_what_cannot_be_measured_is_left_blank():
    found = measured(records(np.array([])))

    assert found.mean_ms is None
    assert found.cpu_seconds is None
    assert found.counted is None
    assert found.gpu_use is None
    assert set(found.latency_ms.values()) == {None}


def test_a_generator_that_is_the_limit_is_said():
    made = records(np.ones(100))
    late = made.table.copy()
    late["behind"] = 0.05

    found = measured(Records(late, (), Effort(0.99, 1.0)))

    assert len(found.limits) == 2
    assert measured(made).limits == ()


def test_counters_are_what_was_added_meanwhile():
    before = Counters(10, 100, 10, 20, 30, {1: 5, 2: 1})
    after = Counters(40, 400, 40, 50, 90, {1: 5, 2: 4, 8: 1})

    found = measured(records(np.ones(30)), Seen(before, 1.0), Seen(after, 3.5))

    assert found.counted == 30
    assert found.batches == {"2": 3, "8": 1}
    assert found.cpu_seconds == 2.5


def statistics(answered: int) -> dict[str, object]:
    times = {"count": answered, "ns": answered * 1_000_000}
    names = ("success", "queue", "compute_input", "compute_infer", "compute_output")
    return {
        "inference_stats": {**dict.fromkeys(names, times), "success": {**times, "ns": 10**7}},
        "batch_stats": [{"batch_size": 4, "compute_infer": {"count": 2}}],
    }


def test_versions_of_a_model_are_counted_together():
    found = counters_of({"model_stats": [statistics(3), statistics(4)]})

    assert found.answered == 7
    assert found.transfer_ns == 14_000_000
    assert found.batches == {4: 4}


def test_stages_are_taken_from_the_answers_and_the_rest_is_on_the_way():
    made = records(np.full(4, 10.0))
    told = np.array([[1.0, 2.0, 0.5], [3.0, 2.0, 0.5], [np.nan] * 3, [np.nan] * 3])
    names = ("compute", "decode", "total")

    found = stages_of(Records(made.table, (), made.effort, names, told), None, 10.0)

    assert found == {"client and network": 6.0, "protocol": 2.0, "compute": 2.0}


def test_without_them_the_servers_statistics_tell():
    counted = Counters(2, 8_000_000, 2_000_000, 1_000_000, 4_000_000)

    found = stages_of(records(np.ones(2)), counted, 5.0)

    assert found == {
        "client and network": 1.0, "protocol": 0.5, "transfer": 0.5, "queue": 1.0, "compute": 2.0,
    }  # fmt: skip


def test_without_both_nothing_is_said():
    assert stages_of(records(np.ones(2)), None, 5.0) == {}


CAPACITIES = {"a": 100.0, "b": 1000.0, "c": 50.0}


def test_rounds_are_interleaved_and_each_begins_with_another():
    found = steps(3, [10.0], CAPACITIES, saturation=False)

    assert "".join(step.candidate for step in found) == "abcbcacab"


def test_a_rate_far_above_what_a_candidate_can_do_is_not_sent():
    found = steps(1, [10.0, 60.0, 500.0], CAPACITIES, saturation=True)

    assert [(step.rate, step.candidate) for step in found] == [
        (10.0, "a"), (10.0, "b"), (10.0, "c"), (60.0, "a"), (60.0, "b"), (60.0, "c"),
        (500.0, "b"), (CLOSED, "a"), (CLOSED, "b"), (CLOSED, "c"),
    ]  # fmt: skip


def test_rates_are_the_specs_or_shares_of_what_the_best_can_do():
    assert rates_for([50.0, 10.0, 50.0], CAPACITIES) == [10.0, 50.0]
    assert rates_for([], CAPACITIES) == [100.0, 300.0, 500.0, 700.0, 900.0]


def test_gpu_time_is_told_per_thousand_answers():
    latencies = np.full(200, 4.0)
    cells = [replace(cell("a", n, 100.0, latencies), gpu_use=use, seconds=2.0)
             for n, use in ((1, 0.2), (2, 0.4))]  # fmt: skip

    (found,) = points_of(cells, {("a", 100.0, n): latencies for n in (1, 2)})
    (unknown,) = points_of([cell("a", 1, 100.0, latencies)], {("a", 100.0, 1): latencies})

    # 0.4 s and 0.8 s for 200 answers each.
    assert found.gpu_seconds_per_1000.value == pytest.approx(3.0)
    assert unknown.gpu_seconds_per_1000 is None


def test_a_points_percentiles_are_numpys_over_all_rounds():
    random = np.random.default_rng(5)
    rounds = {number: random.gamma(4, 2, 500) for number in (1, 2, 3)}
    cells = [cell("a", number, 100.0, values) for number, values in rounds.items()]

    (found,) = points_of(cells, {("a", 100.0, n): values for n, values in rounds.items()})

    pooled = np.concatenate(list(rounds.values()))
    assert found.latency_ms["p99"].value == np.percentile(pooled, 99)
    assert found.latency_ms["p99.9"].value == np.percentile(pooled, 99.9)
    assert found.latency_ms["p99"].low < np.percentile(pooled, 99) < found.latency_ms["p99"].high
    assert found.cpu_seconds_per_1000.value == pytest.approx(1.0)
    assert dict(found.curve_ms)[50] == pytest.approx(np.median(pooled), abs=1e-4)


def test_a_swap_is_held_against_the_time_before_it():
    at = np.arange(0, 10, 0.01)
    latencies = np.where((at >= 4) & (at < 6), 50.0, 5.0)
    failed = at == at[500]

    found = swap_of("a", 100.0, 0.0, (4.0, 5.0, 6.0), at, latencies, failed)

    assert (found.before_p99_ms, found.during_slowest_ms) == (5.0, 50.0)
    assert (found.requests, found.failed) == (1000, 1)
    assert len(found.dots) <= MOST_DOTS
    assert max(value for _, value in found.dots) == 50.0


def test_a_process_tree_is_measured_and_one_that_is_gone_is_not_known():
    own = tree(psutil.Process().pid)

    assert cpu_seconds(own) > 0
    assert memory(own) > 1_000_000
    assert tree(0) == tree(2**22 + 1) == []
    assert cpu_seconds([]) is None
    assert memory([]) is None


def test_gpus_are_looked_at_where_there_are_any():
    library = SimpleNamespace(
        nvmlDeviceGetCount=lambda: 2,
        nvmlDeviceGetHandleByIndex=lambda index: index,
        nvmlDeviceGetUtilizationRates=lambda handle: SimpleNamespace(gpu=50 * handle),
        nvmlDeviceGetMemoryInfo=lambda handle: SimpleNamespace(used=1000),
    )

    with GpuWatch(lambda: look(library)) as watch:
        pass
    with GpuWatch(None) as none:
        pass

    assert watch.result == GpuUse(0.5, 2000)
    assert none.result == GpuUse(None, None)
