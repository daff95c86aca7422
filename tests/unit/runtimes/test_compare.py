"""When an answer is near enough, and how it is told where it is not."""

from __future__ import annotations

import numpy as np
import pytest

from runtimes.compare import difference
from runtimes.contract.tensor import Datatype, Tensor, pack_bytes

NAN, INF = float("nan"), float("inf")


def _fp32(*values):
    return Tensor("y", Datatype.FP32, (len(values),), np.array(values, "<f4").tobytes())


def _int64(*values):
    return Tensor("y", Datatype.INT64, (len(values),), np.array(values, "<i8").tobytes())


def _bytes(*values):
    return Tensor("y", Datatype.BYTES, (len(values),), pack_bytes(values))


@pytest.mark.parametrize(
    ("got", "expected", "same"),
    [
        (1.0, 1.0, True),
        (1.0009, 1.0, True),
        (1.002, 1.0, False),
        (0.000009, 0.0, True),
        (0.00002, 0.0, False),
        (1000.9, 1000.0, True),
        (-1.0, 1.0, False),
        (NAN, NAN, True),
        (NAN, 1.0, False),
        (1.0, NAN, False),
        (INF, INF, True),
        (-INF, INF, False),
        (1.0, INF, False),  # although infinity times rtol is infinity
        (INF, 1.0, False),
    ],
)
def test_floats_may_be_off_by_the_tolerance(got, expected, same):
    found = difference(_fp32(got), np.array([expected]), rtol=1e-3, atol=1e-5)
    assert (found is None) is same


def test_the_largest_difference_is_told():
    answer = Tensor("y", Datatype.FP32, (1, 4), np.array([1, 2.5, 3, 4.12], "<f4").tobytes())
    found = difference(answer, np.array([[1, 2, 3, 1.0]]), rtol=0, atol=0.25)
    assert found == (
        "differs: largest difference 3.12 at [0, 3] (got 4.12, expected 1, allowed 0.25); "
        "2 of 4 values differ"
    )


def test_a_nan_is_further_off_than_any_number():
    found = difference(_fp32(9.0, NAN), np.array([1.0, 1.0]), 0, 0)
    assert "at [1] (got nan, expected 1" in (found or "")


def test_bf16_is_compared_as_numbers():
    bits = Tensor("y", Datatype.BF16, (2,), np.array([0x3F80, 0xC000], "<u2").tobytes())
    assert difference(bits, np.array([1.0, -2.0], np.float32), 0, 0) is None
    assert "got -2, expected 2" in (difference(bits, np.array([1.0, 2.0]), 0, 0) or "")


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (_int64(1, -5), np.array([1, -5])),
        (_int64(1, -5), np.array([1, -5], np.int8)),
        (Tensor("y", Datatype.BOOL, (2,), b"\1\0"), np.array([True, False])),
        (_bytes("grüße".encode(), b""), np.array(["grüße", ""])),
        (_bytes(b"\xff", b"a"), np.array([b"\xff", b"a"])),
        (_bytes(b"a\0", b""), np.array([b"a\0", b""])),  # numpy keeps no zero bytes at the end
        (_fp32(1, 2), np.array([1, 2])),
        (Tensor("y", Datatype.FP32, (0, 3), b""), np.empty((0, 3))),
        (Tensor("y", Datatype.INT64, (), bytes(8)), np.array(0)),
    ],
)
def test_equal_values_are_equal(answer, expected):
    assert difference(answer, expected, 0, 0) is None


@pytest.mark.parametrize(
    ("answer", "expected", "message"),
    [
        (_int64(1000, 2), np.array([1001, 2]), "differs at [0]: got 1000, expected 1001; 1 of 2"),
        (_bytes(b"a", b"b"), np.array(["a", "c"]), "at [1]: got b'b', expected b'c'; 1 of 2"),
        (Tensor("y", Datatype.BOOL, (), b"\1"), np.array(False), "got True, expected False"),
        (Tensor("y", Datatype.FP32, (), bytes(4)), np.array(3), "largest difference 3 at []"),
        (_fp32(1, 2), np.array([[1.0, 2.0]]), "has the shape [2], expected [1, 2]"),
        (_int64(1), np.array([1.0]), "is INT64, but the expected values are float64"),
        (_fp32(1), np.array(["1"]), "is FP32, but the expected values are <U1"),
    ],
)
def test_a_difference_is_told(answer, expected, message):
    assert message in (difference(answer, expected, rtol=0.5, atol=0.5) or "")


def test_a_long_text_is_cut():
    found = difference(_bytes(b"a" * 10_000), np.array(["b"]), 0, 0)
    assert len(found or "") < 200
