"""Joining and splitting raw buffers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtimes.batching.assemble import BatchShapeError, join, split
from runtimes.contract.tensor import Datatype, Tensor, pack_bytes


def numbers(rows, values):
    return Tensor("n", Datatype.UINT8, (rows, 2), bytes(values))


def words(*elements):
    return Tensor("w", Datatype.BYTES, (len(elements),), pack_bytes(elements))


def same(left, right):
    return (left.name, left.datatype, left.shape, bytes(left.data)) == (
        right.name,
        right.datatype,
        right.shape,
        bytes(right.data),
    )


@given(
    st.lists(
        st.lists(st.tuples(st.binary(min_size=2, max_size=2), st.binary(max_size=5)), max_size=4),
        min_size=1,
        max_size=6,
    )
)
def test_splitting_a_joined_batch_gives_every_request_its_own_rows(requests):
    parts = [
        (
            numbers(len(rows), b"".join(number for number, _ in rows)),
            words(*(word for _, word in rows)),
        )
        for rows in requests
    ]

    shares = split(join(parts), [len(rows) for rows in requests])

    for share, part in zip(shares, parts, strict=True):
        assert all(same(got, sent) for got, sent in zip(share, part, strict=True))


def test_one_request_is_not_copied():
    alone = (numbers(1, b"ab"),)

    assert join([alone])[0].data is alone[0].data


def test_bytes_elements_of_several_to_a_row_are_kept_together():
    grid = Tensor("w", Datatype.BYTES, (3, 2), pack_bytes([b"a", b"bb", b"", b"d", b"e", b"ff"]))

    first, second = split([grid], [1, 2])

    assert bytes(first[0].data) == pack_bytes([b"a", b"bb"])
    assert bytes(second[0].data) == pack_bytes([b"", b"d", b"e", b"ff"])


@pytest.mark.parametrize("shape", [(), (1, 2), (3, 2)])
def test_an_output_without_a_row_for_each_row_is_refused(shape):
    wrong = Tensor("n", Datatype.UINT8, shape, bytes(8))

    with pytest.raises(BatchShapeError, match="expected 2 rows"):
        split([wrong], [1, 1])
