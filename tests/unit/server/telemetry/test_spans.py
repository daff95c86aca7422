"""Spans as OpenTelemetry's own SDK makes them of exchanges that have ended."""

from __future__ import annotations

import pytest

pytest.importorskip("opentelemetry.sdk")

from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF
from opentelemetry.trace import StatusCode

from runtimes.contract.codes import Code
from runtimes.contract.messages import Timings
from server.telemetry import spans as module
from server.telemetry.spans import SpanMaker
from server.telemetry.traceparent import Parent, parse
from tests.unit.server.telemetry.exchanges import exchange

PARENT = Parent(0xABC, 0xDEF, 1)
CHILDREN = {"decode", "transfer_in", "queue", "batch", "transfer_out", "encode"}


class World:
    def __init__(self, **options) -> None:
        self.exporter = InMemorySpanExporter()
        provider = TracerProvider(shutdown_on_exit=False, **options)
        provider.add_span_processor(SimpleSpanProcessor(self.exporter))
        self.maker = SpanMaker(provider)

    def request(self, arrived: int = 20, queue: int = 30, code: Code | None = None, parent=PARENT):
        """A request on the way to the same batch: it is taken at 50 and computed at 55."""
        timings = Timings(queue, 5, 7, 3, 4, padded_rows=1, arrived_ns=arrived)
        one = exchange(timings=timings, decode=10, outside=20)
        one.answering, one.request_id = 3, "mine"
        one.trace = self.maker.begin(one, parent, "vendor=1")
        one.trace.end(one, code)
        return one

    def spans(self):
        """All that were sent, by name and in order."""
        self.maker.close()
        found = {}
        for span in self.exporter.get_finished_spans():
            found.setdefault(span.name, []).append(span)
        return found


async def test_a_request_has_its_stages_as_children_and_the_clients_span_above():
    world = World()
    one = world.request()
    spans = world.spans()
    (request,) = spans["request"]
    own = request.get_span_context()

    assert request.parent.span_id == PARENT.span_id
    assert own.trace_id == PARENT.trace_id
    assert one.trace.headers == {
        "traceparent": f"00-{own.trace_id:032x}-{own.span_id:016x}-01", "tracestate": "vendor=1"
    }  # fmt: skip
    assert dict(request.attributes) == {
        "underway.model": "m", "underway.protocol": "rest", "underway.outcome": "OK",
        "underway.version": 3, "underway.request_id": "mine",
    }  # fmt: skip
    children = {name for name, (span, *_) in spans.items() if span.parent.span_id == own.span_id}
    assert children == CHILDREN


async def test_stages_follow_one_another_without_a_gap():
    world = World()
    world.request()
    spans = world.spans()
    start = spans["request"][0].start_time
    times = {name: (s.start_time - start, s.end_time - start) for name, (s, *_) in spans.items()}
    assert times == {
        "request": (0, 95), "decode": (0, 10), "transfer_in": (10, 20), "queue": (20, 50),
        "batch": (50, 65), "assemble": (50, 55), "compute": (55, 62), "split": (62, 65),
        "transfer_out": (65, 75), "encode": (75, 95),
    }  # fmt: skip


async def test_a_batch_is_one_span_linked_to_all_its_requests_and_its_work_is_below_it():
    world = World()
    world.request()
    world.request(arrived=30, queue=20, parent=None)
    world.request(arrived=30, queue=21)  # a nanosecond later: another batch
    spans = world.spans()
    first, second, third = (span.get_span_context() for span in spans["request"])
    batch, other = spans["batch"]

    assert {link.context.span_id for link in batch.links} == {first.span_id, second.span_id}
    assert [link.context.span_id for link in other.links] == [third.span_id]
    assert first.trace_id != second.trace_id
    assert batch.attributes["underway.batch.rows"] == 4
    assert batch.attributes["underway.batch.padded_rows"] == 1
    assert batch.attributes["underway.batch.id"] != other.attributes["underway.batch.id"]
    for name in ("assemble", "compute", "split"):
        assert spans[name][0].parent.span_id == batch.get_span_context().span_id
    joined = [queue.links[0].context.span_id for queue in spans["queue"]]
    assert joined == [one.get_span_context().span_id for one in (batch, batch, other)]


@pytest.mark.parametrize(
    ("code", "status"),
    [(Code.INVALID_ARGUMENT, StatusCode.UNSET), (Code.UNAVAILABLE, StatusCode.ERROR)],
)
async def test_a_refusal_is_a_span_without_stages(code, status):
    world = World()
    world.request(code=code)
    spans = world.spans()
    assert set(spans) == {"request"}
    assert spans["request"][0].status.status_code is status
    assert spans["request"][0].attributes["underway.outcome"] == code.value


async def test_open_batches_are_bounded(monkeypatch):
    monkeypatch.setattr(module, "MOST_BATCHES", 2)
    world = World()
    for queue in range(30, 35):
        world.request(queue=queue)
    spans = world.spans()
    assert len(spans["request"]) == 5
    assert len(spans["batch"]) == 2


async def test_what_the_sampler_does_not_want_is_not_recorded_but_told():
    world = World(sampler=ALWAYS_OFF)
    one = exchange()
    trace = world.maker.begin(one, None, "")
    assert trace.end is None
    assert not parse(trace.headers["traceparent"]).sampled
    assert world.spans() == {}


def test_the_standard_variables_name_the_service_and_choose_the_protocol(monkeypatch):
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1")
    assert module.make_provider("9").resource.attributes["service.name"] == "underway"
    monkeypatch.setenv("OTEL_SERVICE_NAME", "mine")
    provider = module.make_provider("9")
    assert provider.resource.attributes["service.name"] == "mine"
    assert provider.resource.attributes["service.version"] == "9"
    assert "grpc" in type(module._exporter()).__module__
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf")
    assert "http" in type(module._exporter()).__module__
