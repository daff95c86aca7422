"""The generator tells what clients would see: stalls in full, and its own limits."""

from __future__ import annotations

import numpy as np
import pytest

from loadtests.generator import records
from loadtests.generator.health import health_of
from loadtests.generator.process import GeneratorError, run
from loadtests.generator.target import plan_for
from loadtests.samples.sample import Input, Sample
from runtimes.contract.tensor import Datatype
from tests.harness.stalling_server import stalling

X = Input("x", Datatype.FP32, np.zeros((1, 2), np.float32))
SAMPLES = [Sample((X,), lambda _: "")]
STALL = 1.0


def latencies(seconds: float, **traffic: float) -> np.ndarray:
    """Of all requests to a server that stands still for a second at the 100th."""
    with stalling(stall_at=100, stall=STALL) as server:
        plan = plan_for(server.url, "rest", "m", SAMPLES, seconds=seconds, **traffic)
        found = run(plan)
        assert server.requests == len(found.table)
    assert found.failures == ()
    return found.table["latency"]


def test_an_open_loop_shows_the_tail_of_a_stall_that_a_closed_loop_hides():
    rate = 150
    opened = latencies(3, rate=rate, concurrency=400, moments="constant")
    closed = latencies(3, concurrency=1)

    # What came during the stall waited for its end: evenly spread from nothing to all of it.
    assert (opened > STALL / 2).sum() >= rate * STALL / 2 * 0.9
    assert opened.max() >= STALL * 0.95
    # The one client of the closed loop saw it once, and sent nothing meanwhile.
    assert (closed > STALL / 2).sum() == 1
    assert np.percentile(opened, 90) > 5 * np.percentile(closed, 90)


def test_a_generator_that_cannot_send_as_fast_as_it_should_says_so():
    with stalling() as server:
        plan = plan_for(
            server.url, "rest", "m", SAMPLES, seconds=0.1, rate=40_000, concurrency=64
        )  # fmt: skip
        health = health_of(run(plan))

    assert health.late_share > 0.5
    assert str(health).startswith("The generator itself was the limit")


def test_versions_and_server_timing_are_recorded_and_kept_in_a_file(tmp_path):
    with stalling() as server:
        plan = plan_for(server.url, "rest-json", "m", SAMPLES, seconds=0.5, concurrency=2)
        found = run(plan, save=tmp_path / "records.npz")

    assert set(found.table["version"]) == {3}
    assert found.stage_names == ("queue",)
    assert (found.stages == 0.5).all()
    assert (records.load(tmp_path / "records.npz").table == found.table).all()


def test_a_server_that_is_not_there_is_said_in_words():
    plan = plan_for("http://127.0.0.1:9", "rest", "m", SAMPLES, seconds=1)

    with pytest.raises(GeneratorError, match="the server can't be reached"):
        run(plan)


def test_a_plan_without_an_end_is_refused():
    with pytest.raises(ValueError, match="seconds"):
        run(plan_for("http://127.0.0.1:9", "rest", "m", SAMPLES, seconds=0))
