"""Every request is counted once, the same in `/metrics` and in the statistics API."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, generate_latest

from runtimes.contract.codes import Code
from runtimes.contract.messages import Timings
from server.telemetry.counts import (
    Counts,
    Report,
    VersionCounts,
    merge,
    statistics_of,
)
from server.telemetry.recorder import Recorders
from server.telemetry.tally import UnknownTally, VersionTally


class World:
    """The gateway's totals and any number of frontends that count."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.recorders = Recorders(self.registry)
        self.recorders.expect("m", 1)
        self.tally = VersionTally()

    def report(self, *, frontend: int = 1, in_flight: int = 0, version: int = 1) -> None:
        """Hand over what `tally` counted."""
        counts = VersionCounts("m", version, in_flight, self.tally.take())
        self.recorders.add(frontend, Report((counts,)))

    def sample(self, name, **labels):
        return self.registry.get_sample_value(name, {"model": "m", "version": "1", **labels})


@pytest.fixture
def world() -> World:
    return World()


TIMINGS = Timings(
    queue_ns=1, compute_input_ns=2, compute_infer_ns=3, compute_output_ns=4, batch_rows=5
)
FILLED = Timings(queue_ns=1000, batch_rows=8, padded_rows=3, padded_bytes=99)


def test_batches_are_counted_once_with_what_they_were_filled_up_with(world):
    world.tally.success("grpc", 0, 3, FILLED)
    world.tally.success("rest", 0, 2, replace(FILLED, leads=False, queue_ns=2_000_000))
    world.report()

    assert world.sample("underway_batch_rows_count") == 1
    assert world.sample("underway_batch_rows_sum") == 8
    assert world.sample("underway_batch_rows_bucket", le="8") == 1
    assert world.sample("underway_batch_rows_bucket", le="4") == 0
    assert world.sample("underway_batch_padded_rows_total") == 3
    assert world.sample("underway_batch_padded_bytes_total") == 99
    assert world.sample("underway_queue_duration_seconds_count") == 2
    assert world.sample("underway_queue_duration_seconds_bucket", le="0.001") == 1


def test_an_answer_is_counted_in_metrics_and_statistics(world):
    world.tally.success("rest", 0, 3, TIMINGS)
    world.report()

    assert world.sample("underway_requests_total", protocol="rest") == 1
    assert world.sample("underway_request_duration_seconds_count", protocol="rest") == 1
    assert world.sample("underway_requests_total", protocol="grpc") == 0
    total = world.recorders.statistics("m", 1)
    assert (total.inference_count, total.execution_count) == (3, 1)
    assert (total.success.count, total.fail.count) == (1, 0)
    assert total.success.ns > 0
    assert total.last_inference_ms > 0
    assert [
        item.ns
        for item in (total.queue, total.compute_input, total.compute_infer, total.compute_output)
    ] == [1, 2, 3, 4]


def test_a_batch_is_one_execution_whoever_was_in_it(world):
    follower = Timings(batch_rows=5, leads=False, compute_infer_ns=3)

    world.tally.success("rest", 0, 3, TIMINGS)
    world.tally.success("grpc", 0, 2, follower)
    world.report()

    total = world.recorders.statistics("m", 1)
    assert (total.inference_count, total.execution_count) == (5, 1)
    assert total.batches.keys() == {5}
    assert total.batches[5].compute_infer.count == 1
    assert total.batches[5].compute_infer.ns == 3


def test_a_failure_is_counted_with_its_code(world):
    world.tally.failure("grpc", 0, Code.OVERLOADED)
    world.report()

    failures = {"protocol": "grpc", "code": "OVERLOADED"}
    assert world.sample("underway_request_failures_total", **failures) == 1
    assert world.sample("underway_requests_total", protocol="grpc") == 1
    total = world.recorders.statistics("m", 1)
    assert total.fail.count == 1
    assert total.inference_count == 0


def test_what_is_handed_over_is_handed_over_once(world):
    world.tally.success("rest", 0, 1, TIMINGS)
    world.report()
    world.report()

    assert world.sample("underway_requests_total", protocol="rest") == 1


def test_a_version_goes_on_counting_after_a_reload(world):
    world.tally.success("rest", 0, 1, TIMINGS)
    world.report()

    world.recorders.expect("m", 1)

    assert world.sample("underway_requests_total", protocol="rest") == 1


def test_a_version_that_is_forgotten_has_no_series_whatever_comes_late(world):
    world.recorders.forget("m", 1)
    world.tally.success("rest", 0, 1, TIMINGS)
    world.report(in_flight=1)

    assert world.sample("underway_requests_total", protocol="rest") is None
    assert world.sample("underway_requests_in_flight") is None


def test_names_from_outside_never_become_labels(world):
    unknown = UnknownTally()
    for _ in range(3):
        unknown.failure("rest", Code.NOT_FOUND)
    world.recorders.add(1, Report(unknown=unknown.take()))

    text = generate_latest(world.registry).decode()
    lines = [line for line in text.splitlines() if line.startswith("underway_request_failures_")]
    assert lines == [
        'underway_request_failures_total{code="NOT_FOUND",model="_unknown",protocol="rest",'
        'version=""} 3.0'
    ]


def test_requests_in_flight_are_those_of_all_live_frontends(world):
    world.report(frontend=1, in_flight=2)
    world.report(frontend=2, in_flight=3)
    assert world.sample("underway_requests_in_flight") == 5

    world.recorders.frontend_gone(1)
    assert world.sample("underway_requests_in_flight") == 3

    world.report(frontend=2, in_flight=0)
    assert world.sample("underway_requests_in_flight") == 0


@pytest.mark.parametrize(("ns", "bound"), [(0, "0.0005"), (500_000, "0.0005"), (500_001, "0.001")])
def test_a_duration_at_a_bound_is_within_it(world, monkeypatch, ns, bound):
    monkeypatch.setattr("server.telemetry.tally.time.monotonic_ns", lambda: ns)
    world.tally.success("rest", 0, 1, TIMINGS)
    world.report()

    name = "underway_request_duration_seconds_bucket"
    at = [le for le in ("0.0005", "0.001") if world.sample(name, protocol="rest", le=le)]
    assert at[0] == bound
    assert world.sample(name, protocol="rest", le="+Inf") == 1


EVENTS = st.lists(
    st.tuples(
        st.sampled_from(["rest", "grpc"]),
        st.sampled_from([None, Code.INTERNAL, Code.OVERLOADED]),
        st.integers(1, 9),
        st.integers(0, 2),
    )
)


@given(events=EVENTS)
def test_counts_over_frontends_add_up_however_they_are_split_and_sent(events):
    one, several = VersionTally(), [VersionTally() for _ in range(3)]
    total = Counts()
    for protocol, code, rows, frontend in events:
        for tally in (one, several[frontend]):
            if code is None:
                tally.success(protocol, 0, rows, Timings(1, 2, 3, 4, rows))
            else:
                tally.failure(protocol, 0, code)
        sent = msgspec.msgpack.encode(several[frontend].take())
        merge(total, msgspec.msgpack.decode(sent, type=Counts))

    whole = one.take()
    for door, expected in ((total.rest, whole.rest), (total.grpc, whole.grpc)):
        assert (door.requests, door.failures) == (expected.requests, expected.failures)
        assert sum(door.buckets) == door.requests
    assert (total.rows, total.answered, total.failed) == (whole.rows, whole.answered, whole.failed)
    assert statistics_of("m", 1, total).batches == statistics_of("m", 1, whole).batches
