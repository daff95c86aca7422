"""Exchanges with times as the test says, as if they had been."""

from __future__ import annotations

from runtimes.contract.messages import Timings
from server.exchange import NO_TIMINGS, Exchange


def exchange(
    protocol: str = "rest",
    *,
    rows: int = 1,
    timings: Timings = NO_TIMINGS,
    decode: int = 10,
    outside: int = 0,
    encode: int = 20,
    trace_id: str = "",
) -> Exchange:
    """One that began at 0 ns; `outside` is how long it was on its way to the worker and back."""
    made = Exchange(protocol, lambda _exchange, _code: None, "m")
    inside = timings.queue_ns + timings.compute_input_ns + timings.compute_infer_ns
    made.began_ns = 0
    made.sent_ns = decode
    made.received_ns = decode + outside + inside + timings.compute_output_ns
    made.ended_ns = made.received_ns + encode
    made.timings, made.rows, made.trace_id = timings, rows, trace_id
    made.bytes_in, made.bytes_out = 100, 50
    return made
