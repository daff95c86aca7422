"""Every request is counted once, the same in `/metrics` and in the statistics API."""

from __future__ import annotations

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from runtimes.contract.codes import Code
from runtimes.contract.messages import Timings
from server.telemetry.recorder import Recorders


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


@pytest.fixture
def recorders(registry) -> Recorders:
    return Recorders(registry)


def sample(registry, name, **labels):
    return registry.get_sample_value(name, {"model": "m", "version": "1", **labels})


TIMINGS = Timings(
    queue_ns=1, compute_input_ns=2, compute_infer_ns=3, compute_output_ns=4, batch_rows=5
)


def test_an_answer_is_counted_in_metrics_and_statistics(registry, recorders):
    recorder = recorders.of("m", 1)

    recorder.success("rest", 0, 3, TIMINGS)

    assert sample(registry, "underway_requests_total", protocol="rest") == 1
    assert sample(registry, "underway_request_duration_seconds_count", protocol="rest") == 1
    assert sample(registry, "underway_requests_total", protocol="grpc") == 0
    total = recorder.statistics
    assert (total.inference_count, total.execution_count) == (3, 1)
    assert (total.success.count, total.fail.count) == (1, 0)
    assert total.success.ns > 0
    assert total.last_inference_ms > 0
    assert [
        item.ns
        for item in (total.queue, total.compute_input, total.compute_infer, total.compute_output)
    ] == [1, 2, 3, 4]


def test_a_batch_is_one_execution_whoever_was_in_it(recorders):
    recorder = recorders.of("m", 1)
    follower = Timings(batch_rows=5, leads=False, compute_infer_ns=3)

    recorder.success("rest", 0, 3, TIMINGS)
    recorder.success("grpc", 0, 2, follower)

    total = recorder.statistics
    assert (total.inference_count, total.execution_count) == (5, 1)
    assert total.batches.keys() == {5}
    assert total.batches[5].compute_infer.count == 1
    assert total.batches[5].compute_infer.ns == 3


def test_a_failure_is_counted_with_its_code(registry, recorders):
    recorder = recorders.of("m", 1)

    recorder.failure("grpc", 0, Code.OVERLOADED)

    failures = {"protocol": "grpc", "code": "OVERLOADED"}
    assert sample(registry, "underway_request_failures_total", **failures) == 1
    assert sample(registry, "underway_requests_total", protocol="grpc") == 1
    assert recorder.statistics.fail.count == 1
    assert recorder.statistics.inference_count == 0


def test_a_version_keeps_its_recorder_over_a_reload(recorders):
    assert recorders.of("m", 1) is recorders.of("m", 1)
    assert recorders.of("m", 1) is not recorders.of("m", 2)


def test_names_from_outside_never_become_labels(registry, recorders):
    for _ in range(3):
        recorders.unknown("rest", Code.NOT_FOUND)

    text = generate_latest(registry).decode()
    lines = [line for line in text.splitlines() if line.startswith("underway_request_failures_")]
    assert lines == [
        'underway_request_failures_total{code="NOT_FOUND",model="_unknown",protocol="rest",'
        'version=""} 3.0'
    ]


def test_requests_in_flight_go_up_and_down(registry, recorders):
    recorder = recorders.of("m", 1)

    recorder.in_flight.inc()
    assert sample(registry, "underway_requests_in_flight") == 1
    recorder.in_flight.dec()
    assert sample(registry, "underway_requests_in_flight") == 0
