"""Traces of a whole server at a real OTLP receiver, over both protocols."""

from __future__ import annotations

import json
import re
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest

from protos import inference_pb2 as pb
from tests.harness.echo_repository import add_echo, ask
from tests.harness.server_process import ServerProcess, serving
from tests.harness.trace_collector import Collector, attributes, collecting

INFER = "/inference.GRPCInferenceService/ModelInfer"
STAGES = {"decode", "transfer_in", "queue", "batch", "transfer_out", "encode"}
SPAN = "00f067aa0ba902b7"


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tracing")
    add_echo(folder / "models", "echo")
    add_echo(folder / "models", "slow", batching={"max_queue_delay_us": 300_000},
             max_batch_size=4)  # fmt: skip
    with collecting(folder) as (collector, endpoint):
        environment = {
            "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint, "OTEL_SERVICE_NAME": "the-gateway",
            "OTEL_BSP_SCHEDULE_DELAY": "100",
        }  # fmt: skip
        arguments = ("--frontends", "1", "--access-log-rate", "1")
        with serving(folder / "models", arguments=arguments, environment=environment) as server:
            yield server, collector


def rest(server: ServerProcess, model: str, traceparent: str = "", **fields) -> dict[str, str]:
    """The headers of an answer, or of a refusal."""
    headers = {"Content-Type": "application/json", "Authorization": "Bearer hidden-secret"}
    if traceparent:
        headers |= {"traceparent": traceparent, "tracestate": "vendor=1"}
    body = json.dumps(ask([31337.25, 0.25]) | fields).encode()
    request = urllib.request.Request(f"{server.url}/v2/models/{model}/infer", body, headers)
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return dict(answer.headers.items())
    except urllib.error.HTTPError as refusal:
        return dict(refusal.headers.items())


def by_grpc(server: ServerProcess, model: str, traceparent: str) -> dict[str, str]:
    """The trailing metadata."""
    message = pb.ModelInferRequest(model_name=model, id="by-grpc")
    message.inputs.add(name="x", datatype="FP32", shape=[1, 2])
    message.raw_input_contents.append(bytes(8))
    metadata = (("traceparent", traceparent), ("authorization", "Bearer hidden-secret"))
    with grpc.insecure_channel(server.grpc_address) as channel:
        call = channel.unary_unary(INFER)
        _, done = call.with_call(message.SerializeToString(), timeout=30, metadata=metadata)
    return dict(done.trailing_metadata())


def check_joined(collector: Collector, trace_id: str, told: str, protocol: str) -> None:
    """One trace holds the client's span, the request's, its stages and the worker's work."""
    spans = collector.of_trace(trace_id)
    request, batch = spans["request"], spans["batch"]
    assert request.parent_span_id.hex() == SPAN
    assert told == f"00-{trace_id}-{request.span_id.hex()}-01"
    assert {name for name, s in spans.items() if s.parent_span_id == request.span_id} == STAGES
    inside = {name for name, s in spans.items() if s.parent_span_id == batch.span_id}
    assert inside == {"assemble", "compute", "split"}
    assert [link.span_id for link in batch.links] == [request.span_id]
    known = attributes(request)
    assert known["underway.model"] == "echo"
    assert (known["underway.version"], known["underway.outcome"]) == (1, "OK")
    assert known["underway.protocol"] == protocol
    order = ["decode", "transfer_in", "queue", "assemble", "compute", "split", "encode"]
    starts = [spans[name].start_time_unix_nano for name in order]
    assert starts == sorted(starts)


def test_a_trace_goes_from_the_client_to_the_workers_computing_over_rest(world):
    server, collector = world
    trace_id = "a" * 31 + "1"
    told = rest(server, "echo", f"00-{trace_id}-{SPAN}-01", id="by-rest")
    check_joined(collector, trace_id, told["traceparent"], "rest")
    assert told["tracestate"] == "vendor=1"
    request = collector.of_trace(trace_id)["request"]
    assert attributes(request)["underway.request_id"] == "by-rest"
    assert collector.services == {"the-gateway"}


def test_and_over_grpc(world):
    server, collector = world
    trace_id = "a" * 31 + "2"
    told = by_grpc(server, "echo", f"00-{trace_id}-{SPAN}-01")
    check_joined(collector, trace_id, told["traceparent"], "grpc")


def test_a_batch_is_linked_to_all_its_requests(world):
    server, collector = world
    traces = ["b" * 31 + str(n) for n in range(4)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda one: rest(server, "slow", f"00-{one}-{SPAN}-01"), traces))

    def requests(spans):
        return [s for s in spans if s.name == "request" and s.trace_id.hex() in traces]

    asked = {span.span_id for span in collector.wait_for(requests, 4)}
    batches = collector.wait_for(
        lambda spans: [s for s in spans if s.name == "batch" and s.trace_id.hex() in traces]
    )
    largest = max(batches, key=lambda span: len(span.links))
    assert len(largest.links) >= 2
    assert attributes(largest)["underway.batch.rows"] == len(largest.links)
    assert {link.span_id for link in largest.links} <= asked


def test_a_refusal_is_part_of_the_trace_too(world):
    server, collector = world
    trace_id = "c" * 32
    told = rest(server, "nobody", f"00-{trace_id}-{SPAN}-01")
    (span,) = collector.wait_for(lambda spans: [s for s in spans if s.trace_id.hex() == trace_id])
    assert told["traceparent"] == f"00-{trace_id}-{span.span_id.hex()}-01"
    assert attributes(span)["underway.outcome"] == "NOT_FOUND"


def test_metrics_show_recorded_traces_as_exemplars(world):
    server, _ = world
    trace_id = "d" * 32
    rest(server, "echo", f"00-{trace_id}-{SPAN}-01")
    page = urllib.request.Request(
        f"http://127.0.0.1:{server.metrics_port}/metrics",
        headers={"Accept": "application/openmetrics-text; version=1.0.0"},
    )
    with urllib.request.urlopen(page, timeout=30) as answer:
        text = answer.read().decode()
    assert re.search(rf'model="echo".*# {{trace_id="{trace_id}"}}', text)


def set_trace(server: ServerProcess, model: str, **settings) -> dict[str, object]:
    path = f"/v2/models/{model}/trace/setting" if model else "/v2/trace/setting"
    body = json.dumps(settings).encode()
    with urllib.request.urlopen(server.url + path, body, timeout=30) as answer:
        return json.load(answer)


def test_the_settings_decide_what_is_traced(world):
    server, collector = world
    assert set_trace(server, "")["trace_level"] == ["TIMESTAMPS"]
    set_trace(server, "echo", trace_level=["OFF"])
    assert "tracestate" not in rest(server, "echo", f"00-{'e' * 32}-{SPAN}-01")
    set_trace(server, "echo", trace_level=None, trace_rate="3", trace_count="2")
    told = ["traceparent" in rest(server, "echo") for _ in range(9)]
    assert told == [True, False, False, True, False, False, False, False, False]
    unsampled = f"00-{'f' * 32}-{SPAN}-00"
    assert rest(server, "slow", unsampled)["traceparent"] == unsampled
    settings = set_trace(server, "echo", trace_rate=None, trace_count=None)
    assert (settings["trace_rate"], settings["trace_count"]) == ("1", "-1")
    rest(server, "echo", f"00-{'1' * 32}-{SPAN}-01")
    collector.of_trace("1" * 32)
    assert not [s for s in collector.spans if s.trace_id.hex() in ("e" * 32, "f" * 32)]


def test_the_access_log_has_a_line_per_request_and_no_secret_or_payload(world):
    server, _ = world
    rest(server, "echo", f"00-{'2' * 32}-{SPAN}-01", id="logged-rest")
    by_grpc(server, "echo", f"00-{'3' * 32}-{SPAN}-01")
    one = server.wait_for("request", request_id="logged-rest")
    other = server.wait_for("request", trace_id="3" * 32)
    assert (one["model"], one["version"], one["outcome"]) == ("echo", "1", "OK")
    assert (one["protocol"], other["protocol"]) == ("rest", "grpc")
    assert one["trace_id"] == "2" * 32
    assert one["bytes_in"] > 50 < one["bytes_out"]
    assert sum(one["stages_ms"].values()) == pytest.approx(one["total_ms"], abs=0.1)
    text = json.dumps(server.events)
    assert "hidden-secret" not in text
    assert "Bearer" not in text
    assert "31337.25" not in text


def set_log(server: ServerProcess, **settings) -> dict[str, object]:
    with urllib.request.urlopen(
        f"{server.url}/v2/logging", json.dumps(settings).encode(), timeout=30
    ) as answer:
        return json.load(answer)


def test_settings_are_in_force_in_all_frontends_when_the_call_is_answered(tmp_path):
    add_echo(tmp_path, "echo")
    environment = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9"}
    arguments = ("--frontends", "2", "--access-log-rate", "1")
    with serving(tmp_path, arguments=arguments, environment=environment) as server:
        assert all("traceparent" in rest(server, "echo") for _ in range(12))
        assert set_log(server, log_info=False)["log_info"] is False
        set_trace(server, "", trace_level=["OFF"])
        assert not any("traceparent" in rest(server, "echo", id="unseen") for _ in range(12))
        set_log(server, log_info=None, log_verbose_level=1)
        rest(server, "echo", id="seen")
        server.wait_for("request", request_id="seen")
        server.stop()
        server.wait_for("frontend is stopping", level="debug")  # it debugs since it was asked to
        lines = [event for event in server.events if event["event"] == "request"]
        assert {line["frontend"] for line in lines} == {1, 2}
        assert len(lines) == 13
        assert "unseen" not in {line.get("request_id") for line in lines}
