from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.telemetry.traceparent import Parent, hex_trace, parse, traceparent

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


def test_a_parent_is_read():
    parent = parse(f"00-{TRACE}-{SPAN}-01")
    assert parent == Parent(int(TRACE, 16), int(SPAN, 16), 1)
    assert parent.sampled
    assert hex_trace(parent.trace_id) == TRACE
    assert not Parent(1, 1, 2).sampled


def test_a_later_version_may_say_more():
    assert parse(f"01-{TRACE}-{SPAN}-01-more") == parse(f"00-{TRACE}-{SPAN}-01")


@pytest.mark.parametrize(
    "header",
    [
        "",
        "00",
        f"00-{TRACE}-{SPAN}",
        f"00-{TRACE}-{SPAN}-01-more",
        f"ff-{TRACE}-{SPAN}-01",
        f"00-{TRACE.upper()}-{SPAN}-01",
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE}-{SPAN}-01\n",
        f"01-{TRACE}-{SPAN}-01-" + "x" * 600,
    ],
)
def test_what_is_no_parent_counts_as_none(header):
    assert parse(header) is None


@given(st.integers(1, 2**128 - 1), st.integers(1, 2**64 - 1), st.integers(0, 255))
def test_what_is_written_is_read_again(trace_id, span_id, flags):
    assert parse(traceparent(trace_id, span_id, flags)) == Parent(trace_id, span_id, flags)
