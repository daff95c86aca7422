"""A request's trace over either protocol: taken from its headers or metadata, told with its answer.

A refusal tells it too, by errors.ServingError.told.
"""

from __future__ import annotations

from server.exchange import Exchange
from server.frontends.calls import CallContext
from server.frontends.direct import Header, RawHeaders, text_of


def begun_by_call(exchange: Exchange, context: CallContext) -> None:
    """Now that it is known whose request it is, tell the observer, and the client of its trace.

    On a stream, which ends but once, the client is told that of the last request.
    """
    if exchange.observer is None:
        return
    given = context.metadata
    exchange.observer.began(exchange, given.get("traceparent", ""), given.get("tracestate", ""))
    if exchange.trace is not None:
        context.trailing.update(exchange.trace.headers)


def begun_by_headers(exchange: Exchange, headers: RawHeaders) -> None:
    """The same for REST, where `trace_fields` tell the client."""
    if exchange.observer is not None:
        given = text_of(headers, b"traceparent"), text_of(headers, b"tracestate")
        exchange.observer.began(exchange, *given)


def trace_fields(exchange: Exchange) -> list[Header]:
    """What an answer over REST says of its trace."""
    if exchange.trace is None:
        return []
    return [(name.encode(), text.encode()) for name, text in exchange.trace.headers.items()]


def call_of_headers(headers: RawHeaders) -> CallContext:
    """A REST request's trace as if it were a call's, for what answers both."""
    names = ("traceparent", "tracestate")
    return CallContext({name: text_of(headers, name.encode()) for name in names})
