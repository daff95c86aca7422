"""Which requests are recorded, and what a client is told of its trace."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from runtimes.contract.codes import Code
from server.exchange import Exchange, Trace
from server.telemetry.observing import RequestObserver
from server.telemetry.sampling import Sampler
from server.telemetry.trace_settings import TraceRule, TraceRules
from tests.unit.server.telemetry.exchanges import exchange

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
SAMPLED, UNSAMPLED = (f"00-{TRACE}-00f067aa0ba902b7-{flags}" for flags in ("01", "00"))


@dataclass
class Spans:
    """Records all it is given."""

    begun: list[tuple[object, str]] = field(default_factory=list)
    ended: list[Code | None] = field(default_factory=list)
    records: bool = True

    def begin(self, exchange, parent, tracestate) -> Trace:
        self.begun.append((parent and parent.trace_id, tracestate))
        end = (lambda one, code: self.ended.append(code)) if self.records else None
        return Trace("a" * 32, {"traceparent": "own"}, end)

    def close(self) -> None:
        pass


ALWAYS = TraceRule(on=True)


def observed(spans, given: str, rule=ALWAYS, code: Code | None = None) -> Exchange:
    observer = RequestObserver(Sampler(TraceRules(rule)), spans, None)
    one = exchange()
    observer.began(one, given, "state=1")
    observer.ended(one, code)
    return one


@pytest.mark.parametrize("given", ["", "garbage"])
def test_a_request_without_a_trace_begins_one(given):
    spans = Spans()
    one = observed(spans, given, code=Code.INTERNAL)
    assert spans.begun == [(None, "state=1")]
    assert spans.ended == [Code.INTERNAL]
    assert one.trace_id == one.trace.trace_id == "a" * 32
    assert one.trace.headers == {"traceparent": "own"}


def test_a_clients_trace_is_carried_on():
    spans = Spans()
    observed(spans, SAMPLED, TraceRule(on=True, rate=1000))
    assert spans.begun == [(int(TRACE, 16), "state=1")]
    assert spans.ended == [None]


@pytest.mark.parametrize(
    ("given", "rule"),
    [
        (UNSAMPLED, TraceRule(on=True)),
        (SAMPLED, TraceRule(on=False)),
        (SAMPLED, TraceRule(on=True, count=0)),
    ],
)
def test_a_trace_that_is_not_recorded_here_is_passed_on_and_named_in_logs(given, rule):
    spans = Spans()
    one = observed(spans, given, rule)
    assert spans.begun == spans.ended == []
    assert one.trace_id == ""
    assert one.trace.trace_id == TRACE
    assert one.trace.headers == {"traceparent": given}


def test_a_request_that_the_sampler_does_not_want_is_no_exemplar():
    one = observed(Spans(records=False), SAMPLED)
    assert one.trace_id == ""
    assert one.trace.trace_id == "a" * 32


def test_without_tracing_the_clients_trace_is_known_to_the_log():
    one = observed(None, SAMPLED)
    assert (one.trace_id, one.trace.trace_id) == ("", TRACE)
    assert observed(None, "").trace is None
