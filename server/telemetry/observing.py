"""What one frontend tells of each of its requests: traces, and lines of the access log."""

from __future__ import annotations

from typing import Protocol

from runtimes.contract.codes import Code
from server.exchange import Exchange, Trace
from server.telemetry.access_log import AccessLog
from server.telemetry.sampling import Sampler
from server.telemetry.trace_settings import TraceRules
from server.telemetry.traceparent import Parent, hex_trace, parse, traceparent


class Spans(Protocol):
    """Where requests are recorded; see spans.SpanMaker."""

    def begin(self, exchange: Exchange, parent: Parent | None, tracestate: str) -> Trace:
        """The trace of a request that is to be recorded."""

    def close(self) -> None:
        """Send what is left; may take seconds."""


class RequestObserver:
    """Told of every request of one frontend; see exchange.Observer.

    `spans` and `access_log` are None where they are not wanted.
    """

    def __init__(self, sampler: Sampler, spans: Spans | None, access_log: AccessLog | None) -> None:
        self._sampler = sampler
        self._spans = spans
        self._access_log = access_log

    def follow(self, rules: TraceRules) -> None:
        """Record requests by other rules from here on."""
        self._sampler.follow(rules)

    def began(self, exchange: Exchange, given: str, tracestate: str) -> None:
        """Decide whether the request is recorded; `given` is its header traceparent."""
        parent = parse(given)
        # A client that does not record its trace wants no part of it recorded.
        if (
            self._spans is not None
            and (parent is None or parent.sampled)
            and self._sampler.wants(exchange.model, parented=parent is not None)
        ):
            exchange.trace = trace = self._spans.begin(exchange, parent, tracestate)
            if trace.end is not None:
                exchange.trace_id = trace.trace_id
        elif parent is not None:
            # Passed on as it came, since no span of this server stands between.
            told = traceparent(parent.trace_id, parent.span_id, parent.flags)
            exchange.trace = Trace(hex_trace(parent.trace_id), {"traceparent": told})

    def ended(self, exchange: Exchange, code: Code | None) -> None:
        """Record and log it, where that was decided."""
        if exchange.trace is not None and exchange.trace.end is not None:
            exchange.trace.end(exchange, code)
        if self._access_log is not None:
            self._access_log.ended(exchange, code)

    def close(self) -> None:
        """Send what is left; may take seconds."""
        if self._spans is not None:
            self._spans.close()
