"""Declared inputs and outputs are held against what the artifact tells."""

from __future__ import annotations

import pytest

from runtimes.contract.tensor import Datatype, TensorSpec
from runtimes.runtime import LoadError
from runtimes.signature import FoundTensor, reconcile

FP32 = Datatype.FP32
FOUND = [FoundTensor("a", FP32, (-1, 8)), FoundTensor("b", FP32, (-1,))]


def test_without_a_declaration_the_artifact_decides():
    specs = reconcile("input", (), FOUND)
    assert specs == (TensorSpec("a", FP32, (-1, 8)), TensorSpec("b", FP32, (-1,)))


def test_the_declared_order_is_kept():
    declared = (TensorSpec("b", FP32, (-1,)), TensorSpec("a", FP32, (-1, 8)))
    assert reconcile("input", declared, FOUND) == declared


@pytest.mark.parametrize(
    ("declared", "actual", "served"),
    [
        ((-1, -1), (-1, 8), (-1, 8)),
        ((4, 8), (-1, 8), (4, 8)),
        ((-1, 0), (-1, -1), (-1, 0)),
        ((), (), ()),
        ((2, -1), None, (2, -1)),
    ],
)
def test_of_two_sizes_the_known_one_is_served(declared, actual, served):
    found = [FoundTensor("a", FP32, actual)]
    (spec,) = reconcile("output", (TensorSpec("a", FP32, declared),), found)
    assert spec.shape == served


def test_outputs_may_be_left_out_but_inputs_may_not():
    declared = (TensorSpec("a", FP32, (-1, 8)),)
    assert reconcile("output", declared, FOUND) == declared
    with pytest.raises(LoadError, match="needs input 'b', which the configuration leaves out"):
        reconcile("input", declared, FOUND)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        (TensorSpec("c", FP32, (-1,)), "'c' is declared, but the model's outputs are 'a', 'b'"),
        (
            TensorSpec("a", Datatype.INT8, (-1, 8)),
            "'a' is declared as INT8, but the model has FP32",
        ),
        (TensorSpec("a", FP32, (-1, 9)), r"\[-1, 9\], but the model has \[-1, 8\]"),
        (TensorSpec("a", FP32, (-1,)), r"shape \[-1\], but the model has \[-1, 8\]"),
        (TensorSpec("a", FP32, (-1, 8), True), "'a' is declared optional, but"),
    ],
)
def test_a_contradiction_is_refused_naming_both_sides(spec, message):
    with pytest.raises(LoadError, match=message):
        reconcile("output", (spec,), FOUND)


def test_an_unknown_rank_asks_for_a_declaration():
    with pytest.raises(LoadError, match=r"outputs:\n  - \{name: a, datatype: FP32, shape"):
        reconcile("output", (), [FoundTensor("a", FP32, None)])
