"""The trial run at load is made of zeros and knows when it proves nothing."""

from __future__ import annotations

import pytest

from runtimes.contract.tensor import Datatype, Signature, Tensor, TensorSpec, unpack_bytes
from runtimes.probe import MAX_BYTES, check_outputs, conclusive, probe_inputs
from runtimes.runtime import LoadError


def _signature(datatype=Datatype.FP32, shape=(-1, 2)):
    return Signature((TensorSpec("x", datatype, shape),), (TensorSpec("y", datatype, shape),))


def test_any_size_is_probed_with_one():
    (tensor,) = probe_inputs(_signature(Datatype.INT64, (-1, 3, -1))) or ()
    assert (tensor.shape, bytes(tensor.data)) == ((1, 3, 1), bytes(24))


def test_bytes_are_probed_with_empty_elements():
    (tensor,) = probe_inputs(_signature(Datatype.BYTES, (-1, 3))) or ()
    assert unpack_bytes(tensor.data) == [b"", b"", b""]


def test_very_large_inputs_are_not_probed():
    assert probe_inputs(_signature(shape=(MAX_BYTES,))) is None


@pytest.mark.parametrize(
    ("shape", "proves"), [((-1, 2), True), ((), True), ((3,), True), ((-1, -1), False)]
)
def test_only_a_batch_of_any_size_proves_something(shape, proves):
    assert conclusive(_signature(shape=shape)) is proves


def test_an_empty_text_proves_nothing():
    assert not conclusive(_signature(Datatype.BYTES, (-1,)))


@pytest.mark.parametrize("shape", [(1,), (1, 2, 1), (1, 3), ()])
def test_an_output_of_another_shape_is_refused(shape):
    with pytest.raises(LoadError, match="output 'y' should have the shape"):
        check_outputs([Tensor("y", Datatype.FP32, shape, b"")], _signature())


def test_an_output_that_fits_is_taken():
    check_outputs([Tensor("y", Datatype.FP32, (7, 2), b"")], _signature())
