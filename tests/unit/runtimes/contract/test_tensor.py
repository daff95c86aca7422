"""BYTES elements and sizes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtimes.contract.tensor import (
    ITEM_SIZE,
    Datatype,
    byte_size,
    bytes_spans,
    element_count,
    pack_bytes,
    unpack_bytes,
)


@given(st.lists(st.binary(max_size=50)))
def test_bytes_elements_come_back_as_they_were_packed(elements):
    assert unpack_bytes(pack_bytes(elements)) == elements


@pytest.mark.parametrize("data", [b"\x01", b"\x05\x00\x00\x00abc", b"\xff\xff\xff\xff", b"\0\0\0"])
def test_a_length_that_runs_past_the_end_is_refused(data):
    with pytest.raises(ValueError, match="BYTES element"):
        list(bytes_spans(data))


@given(st.binary(max_size=60))
def test_spans_never_reach_outside_the_buffer(data):
    try:
        spans = list(bytes_spans(data))
    except ValueError:
        return
    assert all(0 <= start <= end <= len(data) for start, end in spans)


def test_every_datatype_but_bytes_has_an_item_size():
    assert set(Datatype) - set(ITEM_SIZE) == {Datatype.BYTES}


@pytest.mark.parametrize(
    ("datatype", "shape", "expected"),
    [
        (Datatype.FP32, (), 4),
        (Datatype.FP32, (2, 3), 24),
        (Datatype.BOOL, (0, 5), 0),
        (Datatype.FP64, (2**40,), 2**43),
        (Datatype.BYTES, (3,), None),
    ],
)
def test_byte_size_is_exact(datatype, shape, expected):
    assert byte_size(datatype, shape) == expected


def test_a_scalar_has_one_element():
    assert element_count(()) == 1
