"""What is too much is refused at once, and what has ended makes room."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.admission import Admission, AdmissionBounds, Usage
from server.errors import Overloaded

BOUNDS = AdmissionBounds(rows=10, bytes=100, model_rows=6, model_bytes=60)


@pytest.mark.parametrize(
    ("first", "second", "words"),
    [
        ((6, 1), (1, 1), "6 rows with 1 bytes are in flight for 'm'; see max-model-in-flight-rows"),
        ((1, 60), (1, 1), "1 rows with 60 bytes are in flight for 'm'"),
    ],
)
def test_one_model_may_not_take_all(first, second, words):
    admission, usage = Admission(BOUNDS), Usage()
    admission.enter("m", usage, *first)

    with pytest.raises(Overloaded, match=words) as refused:
        admission.enter("m", usage, *second)

    assert refused.value.retry_after == 1.0
    admission.enter("other", Usage(), *second)


def test_all_together_may_not_take_more_than_there_is():
    admission = Admission(BOUNDS)
    for name in ("a", "b"):
        admission.enter(name, Usage(), 5, 10)

    with pytest.raises(Overloaded, match="in flight in all; see max-in-flight-rows"):
        admission.enter("c", Usage(), 1, 1)


def test_what_is_over_a_bound_by_itself_is_let_in_alone():
    admission, usage = Admission(BOUNDS), Usage()
    admission.enter("m", usage, 50, 5000)
    with pytest.raises(Overloaded):
        admission.enter("m", usage, 1, 1)
    admission.leave(usage, 50, 5000)

    admission.enter("m", usage, 1, 1)


@pytest.mark.parametrize(("frontends", "rows"), [(1, 10), (2, 5), (4, 2), (100, 1)])
def test_frontends_share_what_may_be_in_flight(frontends, rows):
    assert BOUNDS.share(frontends).rows == rows


REQUESTS = st.lists(
    st.tuples(st.sampled_from("ab"), st.integers(1, 8), st.integers(0, 80), st.booleans())
)


@given(requests=REQUESTS)
def test_counts_are_those_of_what_is_in_flight_and_never_over_a_bound(requests):
    admission, usages, inside = Admission(BOUNDS), {"a": Usage(), "b": Usage()}, []
    for model, rows, size, ends in requests:
        with contextlib.suppress(Overloaded):
            admission.enter(model, usages[model], rows, size)
            inside.append((model, rows, size))
        if ends and inside:
            left, *gone = inside.pop(0)
            admission.leave(usages[left], *gone)

        assert admission.total.rows == sum(rows for _, rows, _ in inside)
        assert admission.total.bytes == sum(size for _, _, size in inside)
        for name, usage in usages.items():
            assert usage.rows == sum(rows for model, rows, _ in inside if model == name)
            alone = len([model for model, _, _ in inside if model == name]) == 1
            assert alone or (usage.rows <= 6 and usage.bytes <= 60)
