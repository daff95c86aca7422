"""Made-up inputs have the form that the signature asks for."""

from __future__ import annotations

import numpy as np
import pytest

from runtimes.arrays import to_array
from runtimes.contract.messages import WarmupSample
from runtimes.contract.tensor import Datatype, Signature, TensorSpec, unpack_bytes
from runtimes.synthesise import declared, synthesised

FLOATS = [Datatype.FP16, Datatype.BF16, Datatype.FP32, Datatype.FP64]


def _one(datatype, shape=(-1, 3, -1)):
    (tensor,) = synthesised(Signature((TensorSpec("x", datatype, shape),), ())) or ()
    return tensor


def _numbers(tensor):
    array = to_array(tensor)
    if tensor.datatype is Datatype.BF16:
        array = (array.astype(np.uint32) << 16).view(np.float32)
    return array.reshape(-1).tolist()


@pytest.mark.parametrize("datatype", FLOATS)
def test_floats_are_various_and_below_one(datatype):
    tensor = _one(datatype, (-1, 5000))
    values = _numbers(tensor)
    assert (tensor.shape, len(values)) == ((1, 5000), 5000)
    assert len(set(values)) > 100
    assert all(0 <= value <= 1 for value in values)  # 1 where rounding makes it so


@pytest.mark.parametrize("datatype", sorted({*Datatype} - {*FLOATS, Datatype.BYTES}))
def test_integers_and_booleans_are_zero(datatype):
    tensor = _one(datatype)
    assert (tensor.shape, _numbers(tensor)) == ((1, 3, 1), [0, 0, 0])


def test_texts_are_empty():
    assert unpack_bytes(_one(Datatype.BYTES).data) == [b""] * 3


def test_they_are_the_same_every_time():
    assert _one(Datatype.FP32) == _one(Datatype.FP32)


def test_very_large_ones_are_not_made():
    assert synthesised(Signature((TensorSpec("x", Datatype.FP32, (2**30,)),), ())) is None


@pytest.mark.parametrize(
    ("datatype", "fill", "zero"),
    [
        (Datatype.FP32, "zero", True),
        (Datatype.FP32, "random", False),
        (Datatype.INT64, "zero", True),
        (Datatype.INT64, "random", False),
        (Datatype.BOOL, "random", True),
        (Datatype.BYTES, "random", True),
    ],
)
def test_a_declared_sample_is_filled_as_it_says(datatype, fill, zero):
    (tensor,) = declared(WarmupSample("s", (TensorSpec("x", datatype, (2, 40)),), fill))
    assert tensor.shape == (2, 40)
    assert (not any(bytes(tensor.data))) is zero
    assert to_array(tensor).shape == (2, 40)
