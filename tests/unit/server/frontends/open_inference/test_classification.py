"""The best classes of an output."""

from __future__ import annotations

import numpy as np
import pytest

from runtimes.contract.tensor import Datatype, Tensor, unpack_bytes
from server.errors import InvalidArgument
from server.frontends.open_inference.classification import classify

DTYPES = {
    "UINT8": "u1",
    "UINT16": "<u2",
    "UINT32": "<u4",
    "UINT64": "<u8",
    "INT8": "i1",
    "INT16": "<i2",
    "INT32": "<i4",
    "INT64": "<i8",
}


def tensor(values: object, dtype: str = "<f4", datatype: str = "FP32") -> Tensor:
    array = np.array(values, dtype)
    return Tensor("y", Datatype(datatype), array.shape, array.tobytes())


def texts(result: Tensor) -> list[str]:
    return [element.decode() for element in unpack_bytes(result.data)]


def test_each_row_of_a_batch_has_its_own_best():
    result = classify(tensor([[0.1, 0.9, 0.5], [3, 1, 2]]), 2, (), True)
    assert (result.name, result.datatype, result.shape) == ("y", Datatype.BYTES, (2, 2))
    assert texts(result) == ["0.900000:1", "0.500000:2", "3.000000:0", "2.000000:2"]


def test_without_a_batch_all_values_are_one_row():
    result = classify(tensor([[1, 4], [3, 2]]), 3, (), False)
    assert (result.shape, texts(result)) == ((3,), ["4.000000:1", "3.000000:2", "2.000000:3"])


def test_labels_follow_where_there_are_any():
    result = classify(tensor([[1, 2, 3]]), 3, ("cat", "dog"), True)
    assert texts(result) == ["3.000000:2", "2.000000:1:dog", "1.000000:0:cat"]


def test_more_classes_than_there_are_gives_all():
    assert classify(tensor([[1, 2]]), 10, (), True).shape == (1, 2)


def test_equal_values_keep_their_order_and_not_a_number_comes_last():
    result = classify(tensor([[np.nan, 1, 2, 1, -np.inf, np.inf]]), 6, (), True)
    assert [text.split(":")[1] for text in texts(result)] == ["5", "2", "1", "3", "4", "0"]


@pytest.mark.parametrize("datatype", DTYPES)
def test_integers_are_told_exactly(datatype):
    limits = np.iinfo(DTYPES[datatype])
    values = [[limits.max - 1, limits.max, limits.min]]
    result = classify(tensor(values, DTYPES[datatype], datatype), 3, (), True)
    assert texts(result) == [f"{limits.max}:1", f"{limits.max - 1}:0", f"{limits.min}:2"]


@pytest.mark.parametrize(
    ("datatype", "data", "expected"),
    [
        ("BOOL", b"\0\1", ["1:1", "0:0"]),
        ("FP16", np.array([0.5, 2], "<f2").tobytes(), ["2.000000:1", "0.500000:0"]),
        ("BF16", b"\x00\x3f\x00\x40", ["2.000000:1", "0.500000:0"]),
        ("FP64", np.array([0.5, 2], "<f8").tobytes(), ["2.000000:1", "0.500000:0"]),
    ],
)
def test_the_other_numbers_can_be_classified_too(datatype, data, expected):
    result = classify(Tensor("y", Datatype(datatype), (2,), data), 2, (), False)
    assert texts(result) == expected


@pytest.mark.parametrize(
    ("shape", "result"), [((0, 3), (0, 2)), ((2, 0), (2, 0)), ((0, 0), (0, 0))]
)
def test_an_empty_output_has_no_classes(shape, result):
    empty = Tensor("y", Datatype.FP32, shape, b"")
    classified = classify(empty, 2, (), True)
    assert (classified.shape, texts(classified)) == (result, [])


@pytest.mark.parametrize("k", [0, -1])
def test_a_count_below_one_is_refused(k):
    with pytest.raises(InvalidArgument, match="must ask for 1 or more classes"):
        classify(tensor([[1]]), k, (), True)


def test_strings_are_refused():
    with pytest.raises(InvalidArgument, match="needs an output of numbers"):
        classify(Tensor("y", Datatype.BYTES, (0,), b""), 1, (), False)
