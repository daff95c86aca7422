"""The pages of metrics: exemplars for who accepts OpenMetrics, and other servers' names."""

from __future__ import annotations

import re

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.openmetrics.parser import text_string_to_metric_families as read_open
from prometheus_client.parser import text_string_to_metric_families as read

from runtimes.contract.codes import Code
from runtimes.contract.messages import Timings
from server.telemetry.compat import MetricsCompat
from server.telemetry.counts import Report, VersionCounts
from server.telemetry.exposition import Exposition
from server.telemetry.gpus import Gpu
from server.telemetry.host import HostReader
from server.telemetry.recorder import Recorders
from server.telemetry.tally import FailureTally, VersionTally
from server.telemetry.tf_serving_names import TfServingNames
from server.telemetry.triton_names import TritonNames
from tests.unit.server.telemetry.exchanges import exchange

OPEN = "application/openmetrics-text; version=1.0.0"
TIMINGS = Timings(
    queue_ns=5_000, compute_input_ns=6_000, compute_infer_ns=7_000_000, compute_output_ns=8_000,
    batch_rows=4,
)  # fmt: skip
GPU = Gpu(0, "GPU-1", 0.5, 800, 300, 70.0, 250.0, 12.5)


@pytest.fixture
def recorders() -> Recorders:
    """Three answers over REST (one of them with a trace), one over gRPC, and three failures."""
    made = Recorders(CollectorRegistry())
    made.expect("m", 1, "onnx")
    tally, unknown = VersionTally(), FailureTally()
    for trace in ("", "", "abc"):
        tally.ended(exchange(rows=2, timings=TIMINGS, trace_id=trace), None)
    tally.ended(exchange("grpc", timings=TIMINGS), None)
    for code in (Code.OVERLOADED, Code.CANCELLED, Code.INTERNAL, Code.INVALID_ARGUMENT):
        tally.ended(exchange(), code)
    unknown.failure("rest", Code.NOT_FOUND)
    made.add(1, Report((VersionCounts("m", 1, 3, tally.take()),), unknown.take()))
    return made


@pytest.fixture
def pages(recorders) -> Exposition:
    registry = CollectorRegistry()
    registry.register(recorders)
    triton = TritonNames(recorders.snapshot, lambda: {("m", 1): 1.5}, lambda: [GPU], HostReader())
    compat = {
        MetricsCompat.TRITON: triton,
        MetricsCompat.TF_SERVING: TfServingNames(recorders.snapshot),
    }
    return Exposition(registry, compat)


def plain(pages: Exposition, name: str) -> dict[tuple[str, ...], float]:
    """Samples of exactly that name by their labels' values; the parser would rename counters."""
    found = re.findall(
        rf"^{re.escape(name)}(?:{{(.*)}})? (\S+)$", pages.page("")[0].decode(), re.MULTILINE
    )
    return {tuple(re.findall(r'\w+="([^"]*)"', labels)): float(value) for labels, value in found}


def test_a_trace_is_the_exemplar_of_its_bucket_for_who_accepts_openmetrics(pages):
    text, content_type = pages.page(OPEN)

    assert content_type.startswith("application/openmetrics-text")
    found = [
        (sample.labels["le"], sample.exemplar.labels, sample.exemplar.value)
        for family in read_open(text.decode())
        for sample in family.samples
        if sample.exemplar
    ]
    assert found == [("0.01", {"trace_id": "abc"}, pytest.approx(0.00701903))]
    assert b"trace_id" not in pages.page("")[0]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("nv_inference_request_success", {("m", "1"): 4}),
        ("nv_inference_count", {("m", "1"): 7}),
        ("nv_inference_exec_count", {("m", "1"): 4}),
        ("nv_inference_queue_duration_us", {("m", "1"): 20}),
        ("nv_inference_compute_input_duration_us", {("m", "1"): 24}),
        ("nv_inference_compute_infer_duration_us", {("m", "1"): 28_000}),
        ("nv_inference_compute_output_duration_us", {("m", "1"): 32}),
        ("nv_inference_request_duration_us", {("m", "1"): 28_076}),
        ("nv_inference_pending_request_count", {("m", "1"): 3}),
        ("nv_model_load_duration_secs", {("m", "1"): 1.5}),
        (
            "nv_inference_request_failure",
            {
                ("m", "REJECTED", "1"): 1, ("m", "CANCELED", "1"): 1, ("m", "BACKEND", "1"): 1,
                ("m", "OTHER", "1"): 1,
            },
        ),
        ("nv_gpu_utilization", {("GPU-1",): 0.5}),
        ("nv_gpu_memory_total_bytes", {("GPU-1",): 800}),
        ("nv_gpu_memory_used_bytes", {("GPU-1",): 300}),
        ("nv_gpu_power_usage", {("GPU-1",): 70}),
        ("nv_gpu_power_limit", {("GPU-1",): 250}),
        ("nv_energy_consumption", {("GPU-1",): 12.5}),
        (
            ":tensorflow:serving:request_count",
            {
                ("m", "OK"): 4, ("m", "RESOURCE_EXHAUSTED"): 1, ("m", "CANCELLED"): 1,
                ("m", "INTERNAL"): 1, ("m", "INVALID_ARGUMENT"): 1, ("_unknown", "NOT_FOUND"): 1,
            },
        ),
        (":tensorflow:serving:request_example_count_total", {("m",): 7}),
        (":tensorflow:serving:batching_session:wrapped_run_count", {(): 4}),
        (
            ":tensorflow:serving:request_latency_count",
            {("predict", "REST", "m"): 3, ("Predict", "GRPC", "m"): 1},
        ),
        (
            ":tensorflow:serving:runtime_latency_sum",
            {("predict", "m", "onnx"): 21_000, ("Predict", "m", "onnx"): 7_000},
        ),
        (":tensorflow:serving:batching_session:queuing_latency_sum", {("m",): 20}),
    ],
)  # fmt: skip
def test_the_same_counts_have_the_other_servers_names_and_labels(pages, name, expected):
    assert plain(pages, name) == expected


def test_counters_of_others_are_counters_in_prometheus_text_and_keep_their_names_in_both(pages):
    text, open_text = pages.page("")[0].decode(), pages.page(OPEN)[0].decode()

    assert "# TYPE nv_inference_count counter\n" in text
    assert "# TYPE :tensorflow:serving:request_count counter\n" in text
    assert "untyped" not in text + open_text
    for line in (
        'nv_inference_count{model="m",version="1"} 7.0\n',
        ':tensorflow:serving:request_count{model_name="m",status="OK"} 4.0\n',
    ):
        assert line in text
        assert line in open_text
    assert open_text.count("# EOF") == 1
    assert open_text.endswith("# EOF\n")


def test_one_servers_names_are_had_alone(pages):
    text, content_type = pages.of(MetricsCompat.TF_SERVING)

    assert content_type.startswith("text/plain; version=0.0.4")
    names = {family.name for family in read(text.decode())}
    assert names
    assert all(name.startswith(":tensorflow:serving:") for name in names)


def test_without_compat_no_other_names_are_there(recorders):
    registry = CollectorRegistry()
    registry.register(recorders)

    text = Exposition(registry).page("")[0].decode()

    assert "underway_" in text
    assert "nv_" not in text
    assert ":tensorflow:" not in text
