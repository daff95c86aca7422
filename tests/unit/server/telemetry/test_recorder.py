"""Every request is counted once, the same in `/metrics` and in the statistics API."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, generate_latest

from runtimes.contract.codes import Code
from runtimes.contract.messages import Timings
from server.exchange import STAGES
from server.telemetry.counts import (
    LATENCY_BOUNDS_NS,
    OK,
    WIDTH,
    Counts,
    Latency,
    Report,
    VersionCounts,
    merge,
    statistics_of,
)
from server.telemetry.recorder import Recorders
from server.telemetry.tally import FailureTally, VersionTally, count_all, observe
from tests.unit.server.telemetry.exchanges import exchange

FACTS = {"model": "m", "version": "1", "runtime": "echo"}


class World:
    """The gateway's totals and any number of frontends that count."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.recorders = Recorders(self.registry)
        self.recorders.expect("m", 1, "echo")
        self.tally = VersionTally()

    def report(self, *, frontend: int = 1, in_flight: int = 0, version: int = 1) -> None:
        """Hand over what `tally` counted."""
        counts = VersionCounts("m", version, in_flight, self.tally.take())
        self.recorders.add(frontend, Report((counts,)))

    def sample(self, name, **labels):
        return self.registry.get_sample_value(name, {**FACTS, **labels})


@pytest.fixture
def world() -> World:
    return World()


TIMINGS = Timings(
    queue_ns=1, compute_input_ns=2, compute_infer_ns=3, compute_output_ns=4, batch_rows=5
)
FILLED = Timings(queue_ns=1000, batch_rows=8, padded_rows=3, padded_bytes=99)


def test_batches_are_counted_once_with_what_they_were_filled_up_with(world):
    world.tally.ended(exchange("grpc", rows=3, timings=FILLED), None)
    late = replace(FILLED, leads=False, queue_ns=2_000_000)
    world.tally.ended(exchange("rest", rows=2, timings=late), None)
    world.report()

    assert world.sample("underway_batch_rows_count") == 1
    assert world.sample("underway_batch_rows_sum") == 8
    assert world.sample("underway_batch_rows_bucket", le="8") == 1
    assert world.sample("underway_batch_rows_bucket", le="4") == 0
    assert world.sample("underway_batch_padded_rows_total") == 3
    assert world.sample("underway_batch_padded_bytes_total") == 99
    waits = {"stage": "queue", "protocol": "rest"}
    name = "underway_stage_duration_seconds"
    assert world.sample(f"{name}_count", **waits) == 1
    assert world.sample(f"{name}_bucket", le="0.0025", **waits) == 1
    assert world.sample(f"{name}_bucket", le="0.001", **waits) == 0


def test_an_answer_is_counted_in_metrics_and_statistics(world):
    world.tally.ended(exchange(rows=3, timings=TIMINGS), None)
    world.report()

    ok = {"protocol": "rest", "outcome": OK}
    assert world.sample("underway_requests_total", **ok) == 1
    assert world.sample("underway_request_duration_seconds_count", **ok) == 1
    assert world.sample("underway_requests_total", protocol="grpc", outcome=OK) == 0
    assert world.sample("underway_rows_total", protocol="rest") == 3
    assert world.sample("underway_request_bytes_total", protocol="rest") == 100
    assert world.sample("underway_response_bytes_total", protocol="rest") == 50
    total = world.recorders.statistics("m", 1)
    assert (total.inference_count, total.execution_count) == (3, 1)
    assert (total.success.count, total.fail.count) == (1, 0)
    assert total.success.ns == 40
    assert total.last_inference_ms > 0
    assert [
        item.ns
        for item in (total.queue, total.compute_input, total.compute_infer, total.compute_output)
    ] == [1, 2, 3, 4]


def test_a_batch_is_one_execution_whoever_was_in_it(world):
    follower = Timings(batch_rows=5, leads=False, compute_infer_ns=3)

    world.tally.ended(exchange("rest", rows=3, timings=TIMINGS), None)
    world.tally.ended(exchange("grpc", rows=2, timings=follower), None)
    world.report()

    total = world.recorders.statistics("m", 1)
    assert (total.inference_count, total.execution_count) == (5, 1)
    assert total.batches.keys() == {5}
    assert total.batches[5].compute_infer.count == 1
    assert total.batches[5].compute_infer.ns == 3


def test_a_failure_is_counted_with_its_code_and_with_what_there_was_too_much_of(world):
    refused = exchange("grpc")
    refused.rejected = "model_rows"
    world.tally.ended(refused, Code.OVERLOADED)
    world.report()

    failed = {"protocol": "grpc", "outcome": "OVERLOADED"}
    assert world.sample("underway_requests_total", **failed) == 1
    assert world.sample("underway_request_duration_seconds_count", **failed) == 1
    assert world.sample("underway_requests_rejected_total", reason="model_rows") == 1
    total = world.recorders.statistics("m", 1)
    assert total.fail.count == 1
    assert total.inference_count == 0


def test_what_is_handed_over_is_handed_over_once(world):
    world.tally.ended(exchange(), None)
    world.report()
    world.report()

    assert world.sample("underway_requests_total", protocol="rest", outcome=OK) == 1


def test_a_version_goes_on_counting_after_a_reload(world):
    world.tally.ended(exchange(), None)
    world.report()

    world.recorders.expect("m", 1, "echo")

    assert world.sample("underway_requests_total", protocol="rest", outcome=OK) == 1


def test_a_version_that_is_forgotten_has_no_series_whatever_comes_late(world):
    world.recorders.forget("m", 1)
    world.tally.ended(exchange(), None)
    world.report(in_flight=1)

    assert world.sample("underway_requests_total", protocol="rest", outcome=OK) is None
    assert world.sample("underway_requests_in_flight") is None


def test_names_from_outside_never_become_labels(world):
    unknown = FailureTally()
    for _ in range(3):
        unknown.failure("rest", Code.NOT_FOUND)
    world.recorders.add(1, Report(unknown=unknown.take()))

    text = generate_latest(world.registry).decode()
    counted = (line for line in text.splitlines() if not line.endswith(" 0.0"))
    lines = [line for line in counted if "NOT_FOUND" in line]
    assert lines == [
        'underway_requests_total{model="_unknown",outcome="NOT_FOUND",protocol="rest",'
        'runtime="",version=""} 3.0'
    ]


def test_what_is_in_flight_is_that_of_all_live_frontends(world):
    world.report(frontend=1, in_flight=2)
    world.report(frontend=2, in_flight=3)
    assert world.sample("underway_requests_in_flight") == 5

    world.recorders.frontend_gone(1)
    assert world.sample("underway_requests_in_flight") == 3

    world.report(frontend=2, in_flight=0)
    assert world.sample("underway_requests_in_flight") == 0


def test_pending_rows_and_bytes_are_added_up_over_frontends(world):
    world.recorders.add(1, Report(usage={"m": (2, 20)}))
    world.recorders.add(2, Report(usage={"m": (3, 30)}))

    assert world.registry.get_sample_value("underway_pending_rows", {"model": "m"}) == 5
    assert world.registry.get_sample_value("underway_pending_bytes", {"model": "m"}) == 50


def test_lag_is_told_of_the_gateway_and_of_each_frontend_while_it_is_there(world):
    name, late = "underway_event_loop_lag_seconds_sum", Latency(ns=500_000_000)
    world.recorders.late(late)
    world.recorders.add(7, Report(lag=late))
    world.recorders.add(7, Report(lag=late))

    assert world.registry.get_sample_value(name, {"process": "gateway"}) == 0.5
    assert world.registry.get_sample_value(name, {"process": "frontend-7"}) == 1.0

    world.recorders.frontend_gone(7)
    assert world.registry.get_sample_value(name, {"process": "frontend-7"}) is None


def test_restarts_of_workers_are_counted_by_reason(world):
    world.recorders.restarted("m", 1, "signal")
    world.recorders.restarted("m", 1, "signal")

    assert world.sample("underway_worker_restarts_total", reason="signal") == 2


def test_restarts_of_frontends_are_counted_by_reason(world):
    world.recorders.frontend_restarted("hung")

    name = "underway_frontend_restarts_total"
    assert world.registry.get_sample_value(name, {"reason": "hung"}) == 1
    assert world.registry.get_sample_value(name, {"reason": "exit"}) == 0


def test_what_may_go_wrong_is_counted_from_zero(world):
    for reason in ("hung", "signal", "exit"):
        assert world.sample("underway_worker_restarts_total", reason=reason) == 0
    for reason in ("rows", "bytes", "model_rows", "model_bytes", "worker", "queue"):
        assert world.sample("underway_requests_rejected_total", reason=reason) == 0


@pytest.mark.parametrize(
    ("ns", "bound"), [(0, "0.0001"), (100_000, "0.0001"), (100_001, "0.00025")]
)
def test_a_duration_at_a_bound_is_within_it(world, ns, bound):
    world.tally.ended(exchange(decode=ns, encode=0), None)
    world.report()

    name = "underway_request_duration_seconds_bucket"
    ok = {"protocol": "rest", "outcome": OK}
    at = [le for le in ("0.0001", "0.00025") if world.sample(name, le=le, **ok)]
    assert at[0] == bound
    assert world.sample(name, le="+Inf", **ok) == 1


NS = st.integers(0, 10**10)
EVENTS = st.lists(
    st.tuples(
        st.sampled_from(["rest", "grpc"]),
        st.sampled_from([None, Code.INTERNAL, Code.OVERLOADED]),
        st.integers(1, 9),
        st.integers(0, 2),
        st.builds(Timings, NS, NS, NS, NS, st.integers(1, 9)),
        NS,
    ),
    max_size=20,
)


@settings(max_examples=30)
@given(events=EVENTS)
def test_counts_over_frontends_add_up_however_they_are_split_and_sent(events):
    one, several = VersionTally(), [VersionTally() for _ in range(3)]
    total = Counts()
    for protocol, code, rows, frontend, timings, outside in events:
        made = exchange(protocol, rows=rows, timings=timings, outside=outside)
        for tally in (one, several[frontend]):
            tally.ended(made, code)
        sent = msgspec.msgpack.encode(several[frontend].take())
        merge(total, msgspec.msgpack.decode(sent, type=Counts))

    whole = one.take()
    assert replaced(total) == replaced(whole)
    assert statistics_of("m", 1, replaced(total)) == statistics_of("m", 1, replaced(whole))


@settings(max_examples=30)
@given(events=EVENTS)
def test_the_stages_of_answered_requests_add_up_to_their_whole(events):
    tally = VersionTally()
    for protocol, code, rows, _, timings, outside in events:
        tally.ended(exchange(protocol, rows=rows, timings=timings, outside=outside), code)
    counts = tally.take()

    for door in counts.protocols.values():
        answered = door.outcomes.get(OK, Latency())
        assert sum(stage.ns for stage in door.stages) == answered.ns
        assert {stage.count for stage in door.stages} == {answered.count}
        assert len(door.stages) == len(STAGES)


def replaced(counts: Counts) -> Counts:
    """Without the time of the last one, which is when the test ran."""
    return msgspec.structs.replace(counts, last_ms=0)


@given(
    durations=st.lists(
        st.integers(0, 2 * LATENCY_BOUNDS_NS[-1]) | st.sampled_from(LATENCY_BOUNDS_NS), max_size=50
    )
)
def test_counted_all_at_once_durations_are_where_they_would_be_one_by_one(durations):
    one_by_one, at_once = Latency(), [0] * WIDTH
    for ns in durations:
        observe(one_by_one, ns)
    count_all(list(durations), at_once)
    assert at_once == one_by_one.buckets


def test_many_requests_are_added_up_on_the_way():
    tally = VersionTally()
    for _ in range(1500):
        tally.ended(exchange("rest", rows=2), None)
    counts = tally.take()
    assert counts.protocols["rest"].outcomes[OK].count == 1500
    assert counts.protocols["rest"].rows == 3000
    assert tally.take() == Counts()
