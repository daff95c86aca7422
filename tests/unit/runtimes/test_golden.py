"""A golden file's keys are told apart, and its answers decide whether a version is served."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from runtimes.contract.messages import ModelSpec
from runtimes.contract.tensor import Datatype, Signature, Tensor, TensorSpec
from runtimes.golden import check_golden, sort_out
from runtimes.runtime import LoadError, ModelError


def _signature(inputs=("x",), outputs=("y",)):
    def specs(names):
        return tuple(TensorSpec(name, Datatype.FP32, (-1, 2)) for name in names)

    return Signature(specs(inputs), specs(outputs))


SIGNATURE = _signature()


@dataclass
class Doubling:
    """Output y is input x doubled."""

    signature: Signature = SIGNATURE
    max_batch_size: int = 4
    error: Exception | None = None

    def infer(self, inputs, outputs):
        if self.error:
            raise self.error
        data = (np.frombuffer(inputs[0].data, "<f4") * 2).tobytes()
        return [Tensor(name, Datatype.FP32, inputs[0].shape, data) for name in outputs]


class Halving(Doubling):
    """Output y is half of input x."""

    def infer(self, inputs, outputs):
        data = (np.frombuffer(inputs[0].data, "<f4") / 2).tobytes()
        return [Tensor(name, Datatype.FP32, inputs[0].shape, data) for name in outputs]


def _check(folder, model=None, **arrays):
    path = folder / "cats.npz"
    np.savez(path, **arrays)
    spec = ModelSpec("m", 1, "fake", str(folder / "1"), golden_files=(str(path),))
    return check_golden({"": model or Doubling(), "other": Halving()}, spec)


X = np.array([[1, 2]], np.float32)


def test_the_right_answer_passes(tmp_path):
    assert _check(tmp_path, x=X, y=X * 2) == 1


def test_a_file_may_ask_another_signature(tmp_path):
    assert _check(tmp_path, x=X, y=X / 2, signature_name="other") == 1
    with pytest.raises(LoadError, match="output 'y'"):
        _check(tmp_path, x=X, y=X * 2, signature_name="other")


@pytest.mark.parametrize(
    ("name", "words"),
    [("none", "is for signature 'none'; the model serves 'other'"), (3, "should be one text")],
)
def test_a_signature_that_is_not_there_fails_the_load(tmp_path, name, words):
    with pytest.raises(LoadError, match=f"golden check 'cats.npz': .*{words}"):
        _check(tmp_path, x=X, y=X, signature_name=name)


def test_without_files_nothing_is_checked():
    assert check_golden({"": Doubling()}, ModelSpec("m", 1, "fake", "/1")) == 0


def test_a_wrong_answer_fails_the_load(tmp_path):
    with pytest.raises(LoadError) as error:
        _check(tmp_path, x=X, y=X * 3)
    assert str(error.value) == (
        "golden check 'cats.npz': output 'y' differs: largest difference 2 at [0, 1] "
        "(got 4, expected 6, allowed 0.00601); 2 of 2 values differ"
    )


def test_the_file_may_set_its_tolerance(tmp_path):
    assert _check(tmp_path, x=X, y=X * 3, rtol=0.5) == 1
    assert _check(tmp_path, x=X, y=X * 3, rtol=0, atol=np.int64(2)) == 1
    with pytest.raises(LoadError, match=r"largest difference 0\.001 at"):
        _check(tmp_path, x=X, y=X * 2 + np.array([[0.001, 0]]), rtol=0, atol=0)


@pytest.mark.parametrize("value", [-1, float("nan"), float("inf"), [1, 2], "1", True])
def test_a_tolerance_that_is_none_is_refused(tmp_path, value):
    with pytest.raises(LoadError, match="'rtol' should be one number from 0 to 1e\\+06"):
        _check(tmp_path, x=X, y=X, rtol=value)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"x": X}, "'cats.npz': holds no expected output"),
        ({"y": X}, "'cats.npz': holds no inputs"),
        ({"x": X, "z": X}, "unknown name 'z'; the model's inputs are 'x', its outputs 'y'"),
        ({"x": X, "y": X, "input:y": X}, "unknown name 'input:y'"),
        ({"x": X, "y": X, "label:y": X}, "unknown name 'label:y'"),
        ({"x": X, "y": X, "output:y": X}, "gives output 'y' twice"),
        ({"x": X.astype("f8"), "y": X}, "input 'x' is float64, expected float32"),
        ({"x": np.ones((5, 2), "f4"), "y": X}, "has 5 rows, expected at most max_batch_size, 4"),
        ({"x": X, "y": X[0]}, r"output 'y' has the shape \[1, 2\], expected \[2\]"),
    ],
)
def test_a_file_that_does_not_fit_is_refused(tmp_path, arrays, message):
    with pytest.raises(LoadError, match=message):
        _check(tmp_path, **arrays)


def test_a_model_that_fails_on_it_fails_the_load(tmp_path):
    with pytest.raises(LoadError, match=r"'cats.npz': the model failed: out of cats$"):
        _check(tmp_path, Doubling(error=ModelError("out of cats")), x=X, y=X)
    with pytest.raises(LoadError) as error:
        _check(tmp_path, Doubling(error=KeyError(str(tmp_path))), x=X, y=X)
    assert str(tmp_path) not in str(error.value)


def test_a_file_that_is_gone_fails_the_load(tmp_path):
    spec = ModelSpec("m", 1, "fake", "/1", golden_files=(str(tmp_path / "gone.npz"),))
    with pytest.raises(LoadError, match=r"^golden check 'gone.npz': cannot be read"):
        check_golden({"": Doubling()}, spec)


def test_too_many_files_are_refused():
    spec = ModelSpec("m", 1, "fake", "/1", golden_files=("x.npz",) * 65)
    with pytest.raises(LoadError, match="65 golden files, expected at most 64"):
        check_golden({"": Doubling()}, spec)


def test_a_name_that_is_both_needs_its_prefix():
    both = _signature(("x",), ("x",))
    found = sort_out({"input:x": X, "output:x": X + 1}, both)
    assert (found.inputs["x"] is X, found.outputs["x"].tolist()) == (True, [[2, 3]])
    with pytest.raises(LoadError, match="'x' is both input and output: say 'input:x'"):
        sort_out({"x": X}, both)


def test_a_name_may_look_like_a_prefix():
    found = sort_out({"input:0": X, "output:1": X}, _signature(("input:0",), ("1",)))
    assert ([*found.inputs], [*found.outputs]) == (["input:0"], ["1"])


def test_an_input_called_like_a_tolerance_needs_its_prefix():
    found = sort_out({"input:rtol": X, "y": X, "rtol": np.array(0.5)}, _signature(("rtol",)))
    assert ([*found.inputs], found.rtol) == (["rtol"], 0.5)
