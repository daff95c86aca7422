"""Which answers count as the same, and how a difference is named."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis.extra.numpy import arrays

from loadtests.compare.numerics import explanations, size_of
from loadtests.compare.parity import parity
from loadtests.compare.spec import Parity

RULE = Parity()


def one(mine: np.ndarray, reference: np.ndarray, rule: Parity = RULE):
    (found,) = parity([{"out": mine}], [{"out": reference}], rule)
    return found


def f32(*values: float) -> np.ndarray:
    return np.array([values], np.float32)


def texts(*values: bytes) -> np.ndarray:
    return np.array(values, object)


@given(arrays(np.float32, (3, 4)))
def test_everything_is_the_same_as_itself(array):
    found = one(array, array.copy())

    assert found.passed
    assert found.equal == 1.0
    assert size_of(found) == "the same to the bit"


@pytest.mark.parametrize(
    ("mine", "reference", "passed", "said"),
    [
        (f32(0.1, 0.9), f32(0.1, np.nextafter(np.float32(0.9), np.float32(1))), True, "rounding"),
        (f32(0.1, 0.9), f32(0.1005, 0.9), False, "reduced precision"),
        (f32(0.5, 0.3), f32(0.3, 0.5), False, "more than rounding"),
        (f32(1.0, np.nan), f32(1.0, np.nan), True, "the same"),
        (f32(1.0, np.nan), f32(1.0, 2.0), False, "not finite"),
        (f32(1.0, np.inf), f32(1.0, 2.0), False, "not finite"),
        (f32(1.0), f32(1.0, 2.0), False, "its shape is [1, 1], expected [1, 2]"),
        (texts(b"de", b"fr"), texts(b"de", b"fr"), True, "the same"),
        (texts(b"de", b"fr"), texts(b"de", b"en"), False, "50.00% of the elements"),
        (np.array([[1, 2]]), np.array([[1, 2]]), True, "the same"),
    ],
)
def test_a_difference_passes_or_not_and_is_named(mine, reference, passed, said):
    found = one(mine, reference)

    assert found.passed is passed
    assert said in size_of(found)


def test_the_largest_difference_is_told_absolutely_and_relatively():
    found = one(np.array([[1.0, 200.0]]), np.array([[1.5, 201.0]]), Parity(rtol=1, atol=2))

    assert found.max_abs == pytest.approx(1.0)
    assert found.max_rel == pytest.approx(1 / 201)  # 1.5 does not count: not far above atol
    assert one(np.array([[2.0]]), np.array([[4.0]])).max_rel == 0.5


def test_one_row_with_another_top_is_enough_to_fail_and_fewer_may_be_allowed():
    mine = np.array([[0.5001, 0.5], [0.1, 0.9]])
    reference = np.array([[0.5, 0.5001], [0.1, 0.9]])

    assert one(mine, reference, Parity(atol=0.01)).top1 == 0.5
    assert not one(mine, reference, Parity(atol=0.01)).passed
    assert one(mine, reference, Parity(atol=0.01, top1=0.5)).passed


def test_an_output_that_is_missing_fails():
    (found,) = parity([{}], [{"out": f32(1.0)}], RULE)

    assert not found.passed
    assert size_of(found) == "it is missing"


TERMS = {"threads": "1", "batching": "off", "precision": "fp32", "device": "cpu"}


@pytest.mark.parametrize(
    ("runtimes", "change", "said"),
    [
        (("onnx", "torchscript"), {}, "kernels of their own"),
        (("onnx",), {}, "fuses operators"),
        (("onnx",), {"threads": "4"}, "With several threads"),
        (("onnx",), {"batching": "{}"}, "size of the batch"),
        (("onnx",), {"precision": "tf32"}, "TF32 rounds"),
        (("onnx",), {"precision": "fp16"}, "FP16"),
        (("onnx",), {"device": "cuda:0"}, "TF32 is switched off"),
    ],
)
def test_what_is_known_of_differences_is_said(runtimes, change, said):
    terms = {name: {**TERMS, **change} for name in runtimes}

    assert said in " ".join(explanations({name: name for name in runtimes}, terms))


def test_of_another_server_it_is_said_that_nobody_knows():
    found = explanations({"ours": "echo", "theirs": ""}, {"ours": TERMS, "theirs": TERMS})

    assert [line.startswith("What computes behind theirs is not told") for line in found] == [True]


def test_nothing_is_said_of_what_is_not_there():
    assert explanations({"a": "echo", "b": "echo"}, {"a": TERMS, "b": TERMS}) == []
