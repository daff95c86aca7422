"""Which requests run together: tables and properties of a pure decision."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtimes.batching.decide import Decision, Limits, expired, next_batch, waiting
from runtimes.contract.messages import Infer
from runtimes.contract.tensor import Datatype, Tensor


def request(number=1, rows=1, width=2, outputs=(), name="x"):
    data = bytes(rows * width)
    return Infer(number, (Tensor(name, Datatype.UINT8, (rows, width), data),), outputs)


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
