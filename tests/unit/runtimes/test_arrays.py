"""Tensors become arrays and come back, without a copy where that is possible."""

from __future__ import annotations

import numpy as np
import pytest

from runtimes.arrays import NUMPY, DatatypeMismatch, to_array, to_tensor
from runtimes.contract.tensor import ITEM_SIZE, Datatype, Tensor, pack_bytes

NUMBERS = [item for item in Datatype if item is not Datatype.BYTES]


def _tensor(datatype, shape=(2, 3)):
    size = ITEM_SIZE[datatype] * int(np.prod(shape, dtype=int))
    return Tensor("t", datatype, shape, bytes([1, 0] * size)[:size])


def test_every_datatype_has_an_array_type():
    assert set(NUMPY) == set(Datatype)


@pytest.mark.parametrize("datatype", NUMBERS)
@pytest.mark.parametrize("shape", [(2, 3), (), (0, 4), (1,), (2, 0), (2, 2, 2)])
def test_a_tensor_survives_the_round_trip(datatype, shape):
    tensor = _tensor(datatype, shape)
    array = to_array(tensor)
    assert array.shape == shape
    back = to_tensor("t", datatype, array)
    assert (back.shape, bytes(back.data)) == (shape, tensor.data)
    assert len(back.data) == len(tensor.data)


@pytest.mark.parametrize("datatype", [d for d in NUMBERS if d is not Datatype.BOOL])
def test_neither_way_copies(datatype):
    data = bytearray(_tensor(datatype).data)
    array = to_array(Tensor("t", datatype, (2, 3), data))
    back = to_tensor("t", datatype, array)
    data[0] ^= 0xFF
    assert bytes(back.data) == bytes(data)


@pytest.mark.parametrize("shape", [(3,), (3, 1), (), (0,)])
def test_bytes_elements_survive_the_round_trip(shape):
    elements = [b"", b"\0\xff\0", "ü".encode()][: int(np.prod(shape, dtype=int))]
    tensor = Tensor("t", Datatype.BYTES, shape, pack_bytes(elements))
    array = to_array(tensor)
    assert array.reshape(-1).tolist() == elements
    assert to_tensor("t", Datatype.BYTES, array) == tensor


def test_texts_are_packed_as_utf8():
    array = np.array(["ü", "a"], dtype=object)
    assert to_tensor("t", Datatype.BYTES, array).data == pack_bytes(["ü".encode(), b"a"])


def test_any_byte_but_zero_is_true():
    array = to_array(Tensor("t", Datatype.BOOL, (3,), bytes([0, 1, 7])))
    assert array.view(np.uint8).tolist() == [0, 1, 1]


@pytest.mark.parametrize(
    "array",
    [
        np.arange(6, dtype=np.float32).reshape(2, 3).T,
        np.arange(12, dtype=np.float32)[::2],
        np.arange(6, dtype=">f4"),
    ],
)
def test_strided_and_big_endian_arrays_become_plain(array):
    tensor = to_tensor("t", Datatype.FP32, array)
    assert bytes(tensor.data) == array.astype("<f4").tobytes(order="C")


@pytest.mark.parametrize(
    ("datatype", "array"),
    [
        (Datatype.FP32, np.zeros(2)),
        (Datatype.INT32, np.zeros(2, np.uint32)),
        (Datatype.BYTES, np.zeros(2)),
        (Datatype.FP32, np.array([b"a"], object)),
    ],
)
def test_another_datatype_than_the_signatures_is_refused(datatype, array):
    with pytest.raises(DatatypeMismatch, match=f"output 't' came as .* signature says {datatype}"):
        to_tensor("t", datatype, array)
