"""How an inference is timed, and what it counts as when it does not end well."""

from __future__ import annotations

import asyncio
import time

import pytest

from runtimes.contract.codes import Code
from runtimes.contract.messages import Timings
from server.errors import InvalidArgument, Overloaded
from server.exchange import STAGES, Exchange
from server.frontends.server_timing import server_timing


def endings() -> tuple[Exchange, list[Code | None]]:
    told: list[Code | None] = []
    return Exchange("rest", lambda _exchange, code: told.append(code), "m"), told


def ended_with(error: BaseException, deadline_ns: int = 0) -> Exchange:
    exchange, told = endings()
    exchange.deadline_ns = deadline_ns
    with pytest.raises(type(error)), exchange:
        raise error
    (exchange.version,) = map(str, told)
    return exchange


@pytest.mark.parametrize(
    ("error", "deadline_ns", "code"),
    [
        (InvalidArgument("no"), 0, Code.INVALID_ARGUMENT),
        (asyncio.CancelledError(), 0, Code.CANCELLED),
        (asyncio.CancelledError(), 1, Code.DEADLINE_EXCEEDED),
        (asyncio.CancelledError(), 2**63, Code.CANCELLED),
        (ValueError("a bug"), 0, Code.INTERNAL),
    ],
)
def test_what_leaves_the_block_says_how_it_ended(error, deadline_ns, code):
    assert ended_with(error, deadline_ns).version == code


def test_a_rejection_says_what_there_was_too_much_of():
    assert ended_with(Overloaded("full", reason="rows")).rejected == "rows"
    assert ended_with(InvalidArgument("no")).rejected == ""


def test_an_answer_is_told_once_and_without_a_code():
    exchange, told = endings()
    with exchange:
        exchange.encoded(7)

    assert told == [None]
    assert exchange.bytes_out == 7
    assert exchange.total_ns >= 0


def test_time_before_the_request_is_there_as_a_whole_is_not_the_servers():
    exchange, _ = endings()
    before = exchange.began_ns
    exchange.arrived(5)

    assert exchange.bytes_in == 5
    assert exchange.began_ns >= before


@pytest.mark.parametrize("clock", [0, 7, 10**9])
def test_the_stages_add_up_to_the_whole_wherever_the_worker_says_it_was(clock):
    exchange, _ = endings()
    exchange.began_ns, exchange.sent_ns, exchange.received_ns, exchange.ended_ns = 0, 5, 105, 125
    exchange.timings = Timings(10, 20, 30, 5, arrived_ns=clock)

    stages = exchange.stages()

    assert min(stages) >= 0
    assert stages[0] == 5
    assert stages[2:6] == (10, 20, 30, 5)
    assert stages[7] == 20
    if clock < 105:
        assert sum(stages) == exchange.total_ns


def test_timings_are_told_in_milliseconds_in_the_order_of_time():
    exchange, _ = endings()
    now = time.monotonic_ns()
    exchange.began_ns, exchange.sent_ns = now, now + 1_000_000
    exchange.received_ns, exchange.ended_ns = now + 9_000_000, now + 9_500_000
    exchange.timings = Timings(1_500_000, 0, 4_000_000, 0, arrived_ns=now + 1_250_000)

    assert server_timing(exchange) == (
        "decode;dur=1.000, transfer_in;dur=0.250, queue;dur=1.500, assemble;dur=0.000, "
        "compute;dur=4.000, split;dur=0.000, transfer_out;dur=2.250, encode;dur=0.500, "
        "total;dur=9.500"
    )
    assert all(stage in server_timing(exchange) for stage in STAGES)
