"""Spans of requests and batches, made after the fact and sent by OpenTelemetry.

Nothing is recorded while a request runs: when it has ended, its spans are made of the times that
came back with the answer. A request's span has its stages as children. A batch has a span of its
own, which belongs to the trace of the first recorded request in it and is linked to those of all.
This is the only file that knows OpenTelemetry; the standard variables say where spans go.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from opentelemetry import trace as api
from opentelemetry.context import Context
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
from opentelemetry.trace import Link, Span, SpanContext, SpanKind, Status, StatusCode, TraceFlags
from opentelemetry.trace.span import TraceState

from runtimes.contract.codes import Code
from server.exchange import Exchange, Trace
from server.telemetry.traceparent import Parent, hex_trace, traceparent

NAME = "underway"
BATCH_OPEN_S = 1.0
"""Seconds that a batch's span waits for the batch's other requests, whose answers are encoded one
after another."""

MOST_BATCHES = 1024
"""Batches whose spans may be open; of more, requests that come late stay unlinked."""

_FAULTS = frozenset({Code.INTERNAL, Code.UNAVAILABLE, Code.DEADLINE_EXCEEDED, Code.OVERLOADED})
"""Outcomes that are errors of a server's span; others are the client's."""

BatchKey = tuple[str, int, int]
"""Model, version, and when the batch was given to the runtime, on the monotonic clock: in one
worker nothing else runs then."""


def make_provider(server_version: str) -> TracerProvider:
    """Spans go where OTEL_EXPORTER_OTLP_ENDPOINT says, by gRPC or by HTTP."""
    attributes = {"service.version": server_version}
    if "OTEL_SERVICE_NAME" not in os.environ and "service.name=" not in os.environ.get(
        "OTEL_RESOURCE_ATTRIBUTES", ""
    ):
        attributes["service.name"] = NAME
    # It is shut down by whoever made it, before the event loop is closed.
    provider = TracerProvider(resource=Resource.create(attributes), shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(_exporter()))
    return provider


def _exporter() -> SpanExporter:
    general = os.environ.get("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")
    if os.environ.get("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", general) == "grpc":
        from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter as ByGrpc

        return ByGrpc()
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter as ByHttp

    return ByHttp()


@dataclass(frozen=True, slots=True)
class Recorded:
    """The span of a request. `offset_ns` makes the monotonic clock's times those of the calendar;
    `context` makes spans its children.
    """

    span: Span
    context: Context
    offset_ns: int


class SpanMaker:
    """Makes the spans of one frontend's requests; belongs to one event loop."""

    def __init__(self, provider: TracerProvider) -> None:
        self._provider = provider
        self._tracer = provider.get_tracer(NAME)
        self._batches: dict[BatchKey, tuple[Span, int]] = {}

    def begin(self, exchange: Exchange, parent: Parent | None, tracestate: str) -> Trace:
        """A span for the request, child of `parent`, which the sampler may not want recorded."""
        offset = time.time_ns() - time.monotonic_ns()
        context = Context()
        if parent is not None:
            above = SpanContext(
                parent.trace_id, parent.span_id, is_remote=True,
                trace_flags=TraceFlags(parent.flags),
                trace_state=TraceState.from_header([tracestate] if tracestate else []),
            )  # fmt: skip
            context = api.set_span_in_context(api.NonRecordingSpan(above), context)
        span = self._tracer.start_span(
            "request", context, SpanKind.SERVER, start_time=exchange.began_ns + offset
        )
        own = span.get_span_context()
        headers = {"traceparent": traceparent(own.trace_id, own.span_id, own.trace_flags)}
        if own.trace_state:
            headers["tracestate"] = own.trace_state.to_header()
        if not span.is_recording():
            return Trace(hex_trace(own.trace_id), headers)
        recorded = Recorded(span, api.set_span_in_context(span, Context()), offset)
        return Trace(hex_trace(own.trace_id), headers, partial(self._end, recorded))

    def _end(self, recorded: Recorded, exchange: Exchange, code: Code | None) -> None:
        """The request has ended: make its stages, and its batch if nobody did."""
        span = recorded.span
        span.set_attributes(_attributes(exchange, code))
        if code is None:
            self._stages(exchange, recorded)
        elif code in _FAULTS:
            span.set_status(Status(StatusCode.ERROR, code.value))
        span.end(exchange.ended_ns + recorded.offset_ns)

    def close(self) -> None:
        """Send what is left. Takes seconds where the collector does not answer."""
        for span, end_ns in self._batches.values():
            span.end(end_ns)
        self._batches.clear()
        self._provider.shutdown()

    def _stages(self, exchange: Exchange, recorded: Recorded) -> None:
        decode, there, queue, assemble, compute, split, _, encode = exchange.stages()
        sent = exchange.began_ns + decode
        queued = sent + there
        taken = queued + queue
        done = taken + assemble + compute + split
        batch = self._batch(exchange, recorded, (taken, assemble, compute, split))
        self._child(recorded, "decode", exchange.began_ns, sent)
        self._child(recorded, "transfer_in", sent, queued)
        self._child(recorded, "queue", queued, taken, [Link(batch)] if batch is not None else ())
        self._child(recorded, "transfer_out", done, exchange.received_ns)
        self._child(recorded, "encode", exchange.received_ns, exchange.received_ns + encode)

    def _batch(
        self, exchange: Exchange, recorded: Recorded, times: tuple[int, int, int, int]
    ) -> SpanContext | None:
        """The span of the request's batch, linked to the request."""
        taken, assemble, compute, split = times
        timings, own = exchange.timings, recorded.span.get_span_context()
        began = timings.arrived_ns + timings.queue_ns + assemble
        key = (exchange.model, exchange.answering, began)
        if (open_one := self._batches.get(key)) is not None:
            open_one[0].add_link(own)
            return open_one[0].get_span_context()
        if len(self._batches) >= MOST_BATCHES:
            return None
        offset = recorded.offset_ns
        span = self._tracer.start_span(
            "batch", recorded.context, links=[Link(own)], start_time=taken + offset,
            attributes={
                "underway.model": exchange.model,
                "underway.version": exchange.answering,
                "underway.batch.id": f"{began:x}",
                "underway.batch.rows": timings.batch_rows,
                "underway.batch.padded_rows": timings.padded_rows,
            },
        )  # fmt: skip
        inside = Recorded(span, api.set_span_in_context(span, Context()), offset)
        for name, length in (("assemble", assemble), ("compute", compute), ("split", split)):
            self._child(inside, name, taken, taken + length)
            taken += length
        self._batches[key] = span, taken + offset
        asyncio.get_running_loop().call_later(BATCH_OPEN_S, self._end_batch, key)
        return span.get_span_context()

    def _end_batch(self, key: BatchKey) -> None:
        if (found := self._batches.pop(key, None)) is not None:
            found[0].end(found[1])

    def _child(
        self, parent: Recorded, name: str, begin: int, end: int, links: Sequence[Link] = ()
    ) -> None:
        offset = parent.offset_ns
        span = self._tracer.start_span(name, parent.context, links=links, start_time=begin + offset)
        span.end(max(begin, end) + offset)


def _attributes(exchange: Exchange, code: Code | None) -> Mapping[str, str | int]:
    attributes: dict[str, str | int] = {
        "underway.model": exchange.model,
        "underway.protocol": exchange.protocol,
        "underway.outcome": "OK" if code is None else code.value,
    }
    if exchange.answering:
        attributes["underway.version"] = exchange.answering
    if exchange.request_id:
        attributes["underway.request_id"] = exchange.request_id
    return attributes
