"""Which requests run together: tables and properties of a pure decision."""

from dataclasses import replace
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtimes.batching.decide import (
    HEAD_START_NS,
    Decision,
    Limits,
    Waiting,
    expired,
    next_batch,
    too_full,
    waiting,
)
from runtimes.batching.queue import BatchQueue
from runtimes.contract.messages import HIGH_PRIORITY, Infer
from runtimes.contract.tensor import Datatype, Tensor


def request(number=1, rows=1, width=2, outputs=(), name="x", signature=""):
    tensor = Tensor(name, Datatype.UINT8, (rows, width), bytes(rows * width))
    return Infer(number, (tensor,), outputs, signature=signature)


def queue(*requests, arrived=0):
    return [waiting(item, arrived, batched=True) for item in requests]


@pytest.mark.parametrize(
    ("waiting_requests", "limits", "now", "expected"),
    [
        ([request()], Limits(), 0, (0,)),
        ([request(), request()], Limits(), 0, (0,)),
        ([request(), request()], Limits(8), 0, (0, 1)),
        ([request(rows=3), request(rows=3), request(rows=3)], Limits(8), 0, (0, 1)),
        ([request(rows=8), request()], Limits(8), 0, (0,)),
        ([request(), request(width=3), request()], Limits(8), 0, (0, 2)),
        ([request(), request(outputs=("y",))], Limits(8), 0, (0,)),
        ([request(), request(name="z")], Limits(8), 0, (0,)),
        ([request(), request(signature="other"), request()], Limits(8), 0, (0, 2)),
        # The second does not fit and must not be overtaken by the third.
        ([request(rows=5), request(rows=5), request(rows=1)], Limits(8), 0, (0,)),
    ],
)
def test_a_batch_is_made_of_what_fits(waiting_requests, limits, now, expected):
    assert next_batch(queue(*waiting_requests), limits, now) == Decision(take=expected)


def test_a_batch_that_is_not_full_waits_until_its_leaders_delay_is_over():
    two = queue(request(), request(), arrived=100)

    assert next_batch(two, Limits(8, 50), 120) == Decision(wait_until_ns=150)
    assert next_batch(two, Limits(8, 50), 150) == Decision(take=(0, 1))


def test_a_full_batch_does_not_wait():
    assert next_batch(queue(request(rows=4), request(rows=4)), Limits(8, 10**9), 0).take == (0, 1)


def test_a_request_that_would_overfill_ends_the_wait():
    assert next_batch(queue(request(rows=5), request(rows=5)), Limits(8, 10**9), 0).take == (0,)


def test_a_request_without_rows_runs_alone_and_at_once():
    scalar = Infer(1, (Tensor("x", Datatype.UINT8, (), b"1"),))

    decision = next_batch(queue(scalar, request()), Limits(8, 10**9), 0)

    assert decision.take == (0,)


@given(
    rows=st.lists(st.integers(1, 8), min_size=1, max_size=20),
    widths=st.lists(st.integers(1, 3), min_size=20, max_size=20),
)
def test_taking_until_empty_loses_nothing_doubles_nothing_and_never_overfills(rows, widths):
    left = queue(*(request(i, r, w) for i, (r, w) in enumerate(zip(rows, widths, strict=False))))
    order = {width: [e.request.id for e in left if e.key[1][2] == (width,)] for width in (1, 2, 3)}
    taken: list[int] = []
    while left:
        decision = next_batch(left, Limits(8), 0)
        batch = [left[index] for index in decision.take]
        assert batch[0] is left[0]
        assert sum(entry.rows for entry in batch) <= 8
        assert len({entry.key for entry in batch}) == 1
        taken += [entry.request.id for entry in batch]
        left = [entry for index, entry in enumerate(left) if index not in decision.take]

    assert sorted(taken) == list(range(len(rows)))
    for same_key in order.values():
        assert [number for number in taken if number in same_key] == same_key


@pytest.mark.parametrize(
    ("deadline", "now", "is_expired"), [(0, 5, False), (6, 5, False), (5, 5, True), (4, 5, True)]
)
def test_a_request_expires_at_its_deadline(deadline, now, is_expired):
    assert expired(Infer(1, (), (), deadline), now) is is_expired


def urgent(number=1, rows=1):
    return replace(request(number, rows), priority=HIGH_PRIORITY)


@given(
    st.lists(
        st.tuples(st.integers(0, 3 * HEAD_START_NS), st.booleans(), st.integers(1, 4)),
        min_size=1,
        max_size=20,
    )
)
def test_high_priority_goes_first_but_makes_nobody_wait_longer_than_its_head_start(arrivals):
    now = [0]
    held = BatchQueue(Limits(8), clock=lambda: now[0])
    for number, (now[0], high, rows) in enumerate(sorted(arrivals)):
        held.put(urgent(number, rows) if high else request(number, rows))
    served: list[Waiting] = []
    held.close()
    while (batch := held.take()) is not None:
        served += batch.entries

    assert sorted(one.request.id for one in served) == list(range(len(arrivals)))
    for earlier, later in combinations(served, 2):
        alike = earlier.request.priority == later.request.priority
        if alike:
            assert earlier.arrived_ns <= later.arrived_ns
        elif later.request.priority == HIGH_PRIORITY:
            assert earlier.arrived_ns <= later.arrived_ns - HEAD_START_NS
        else:
            assert earlier.arrived_ns <= later.arrived_ns + HEAD_START_NS


@pytest.mark.parametrize(
    ("rows", "size", "words"),
    [
        (0, 0, ""),
        (4, 10, ""),
        (7, 10, "7 rows wait already, max_queue_rows is 8"),
        (4, 99, "99 bytes wait already, max_queue_bytes is 100"),
    ],
)
def test_the_queue_is_bounded_by_rows_and_bytes(rows, size, words):
    (entry,) = queue(request(rows=2))
    assert too_full(rows, size, entry, 8, 100) == words
    assert too_full(rows, size, entry, 0, 0) == ""


def test_an_empty_queue_takes_a_request_of_any_size():
    (entry,) = queue(request(rows=9, width=100))
    assert too_full(0, 0, entry, 8, 100) == ""
