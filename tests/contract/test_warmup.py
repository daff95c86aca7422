"""Warm-up and golden checks on real models of every format."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from runtimes.contract.messages import Batching, ModelSpec
from runtimes.contract.tensor import Datatype, TensorSpec
from runtimes.golden import check_golden
from runtimes.registry import create_runtime
from runtimes.runtime import LoadError
from runtimes.warmup import warm_up

FRAMEWORKS = ("torchscript", "savedmodel", "onnx")
ROWS = (-1, 2)
X = np.array([[1, 2], [3, 4]], np.float32)


def _no_four(runtime, folder, build) -> ModelSpec:
    """FP32 [-1, 2]; doubles 1 to 3 rows, and fails on 4."""
    signature = {}
    if runtime == "torchscript":
        import torch

        class NoFour(torch.nn.Module):
            def forward(self, x: torch.Tensor) -> torch.Tensor:
                if x.shape[0] >= 4:
                    raise ValueError("four is too many")
                return x * 2

        build.torch(NoFour(), folder / "model.pt")
        tensor = TensorSpec("x", Datatype.FP32, ROWS)
        signature = {"inputs": (tensor,), "outputs": (replace(tensor, name="y"),)}
    elif runtime == "savedmodel":
        import tensorflow as tf

        def no_four(x):
            with tf.control_dependencies([tf.debugging.assert_less(tf.shape(x)[0], 4)]):
                return {"y": x * 2}

        build.tf(no_four, [tf.TensorSpec([None, 2], tf.float32, name="x")], folder)
    else:
        from onnx import TensorProto, helper

        # A table looked up with the number of rows, which has no entry for the fourth.
        integer, table = TensorProto.INT64, [2.0, 2.0, 2.0]
        constants = [
            helper.make_tensor("zero", integer, [], [0]),
            helper.make_tensor("one", integer, [], [1]),
            helper.make_tensor("table", TensorProto.FLOAT, [3], table),
        ]
        nodes = [
            helper.make_node("Shape", ["x"], ["shape"]),
            helper.make_node("Gather", ["shape", "zero"], ["rows"]),
            helper.make_node("Sub", ["rows", "one"], ["last"]),
            helper.make_node("Gather", ["table", "last"], ["two"]),
            helper.make_node("Mul", ["x", "two"], ["y"]),
        ]
        ends = [(name, TensorProto.FLOAT, ["n", 2]) for name in "xy"]
        build.onnx(nodes, ends[:1], ends[1:], folder / "model.onnx", constants)
    artifact = {"torchscript": "model.pt", "onnx": "model.onnx"}.get(runtime, "")
    return ModelSpec("m", 1, runtime, str(folder / artifact), **signature)


@pytest.fixture
def no_four(models, build):
    return lambda runtime: _no_four(runtime, models.folder(), build)


def _passes(runtime):
    return create_runtime(runtime).warmup_passes


def _npz(folder, name="sample.npz", **arrays):
    np.savez(folder / name, **arrays)
    return (str(folder / name),)


@pytest.mark.parametrize("runtime", FRAMEWORKS)
def test_every_batch_size_is_run(models, runtime):
    model = models.load(models.two_way(runtime))
    spec = replace(models.two_way(runtime), batching=Batching())
    sizes = "made-up inputs, batch sizes 1, 2, 4, 8, 16, 32, 64"
    assert warm_up(model, spec, _passes(runtime)) == sizes


@pytest.mark.parametrize("runtime", FRAMEWORKS)
def test_a_batch_that_the_model_cannot_run_fails_the_load(models, no_four, runtime):
    spec = replace(no_four(runtime), max_batch_size=4, batching=Batching())
    with pytest.raises(LoadError, match=r"^warm-up on made-up inputs failed with 4 rows: .") as e:
        warm_up(models.load(spec), spec, _passes(runtime))
    assert str(models.root) not in str(e.value)


@pytest.mark.parametrize("runtime", FRAMEWORKS)
def test_a_recorded_batch_that_the_model_cannot_run_fails_the_load(
    models, no_four, runtime, tmp_path
):
    files = _npz(tmp_path, x=np.ones((4, 2), np.float32))
    spec = replace(no_four(runtime), warmup_files=files)
    with pytest.raises(LoadError, match=r"^warm-up 'sample\.npz' failed with 4 rows: ."):
        warm_up(models.load(spec), spec, _passes(runtime))


@pytest.mark.parametrize("runtime", FRAMEWORKS)
def test_recorded_requests_of_both_forms_are_run(models, runtime, tmp_path):
    spec = models.two_way(runtime)
    inputs = [
        {"name": name, "datatype": "FP32", "shape": [1, 2], "data": [[1, 2]]} for name in "ab"
    ]
    (tmp_path / "sample.json").write_text(json.dumps({"inputs": inputs}))
    files = (*_npz(tmp_path, a=X, b=X), str(tmp_path / "sample.json"))
    spec = replace(spec, warmup_files=files, batching=Batching())
    done = warm_up(models.load(models.two_way(runtime)), spec, _passes(runtime))
    assert done == "2 samples, batch sizes 1, 2, 4, 8, 16, 32, 64"


def test_an_answer_that_is_not_one_per_row_fails_the_load(models, build):
    import torch

    class Mean(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x.mean(0, keepdim=True)

    path = models.folder() / "model.pt"
    build.torch(Mean(), path)
    tensor = TensorSpec("x", Datatype.FP32, ROWS)
    spec = ModelSpec("m", 1, "torchscript", str(path), inputs=(tensor,), outputs=(tensor,))
    model = models.load(spec)
    with pytest.raises(LoadError, match=r"with 2 rows: output 'x' .* set max_batch_size: 0"):
        warm_up(model, replace(spec, batching=Batching()), 1)


@pytest.mark.parametrize("runtime", [*FRAMEWORKS, "echo"])
@pytest.mark.parametrize("datatype", [Datatype.FP32, Datatype.BF16, Datatype.INT64])
def test_numbers_are_held_against_golden_ones(models, runtime, datatype, tmp_path):
    spec = models.identity(runtime, datatype)
    model = models.load(spec)
    x, y = model.signature.inputs[0].name, model.signature.outputs[0].name
    values = X.astype(np.int64) if datatype is Datatype.INT64 else X
    right = _npz(tmp_path, "right.npz", **{f"input:{x}": values, f"output:{y}": values})
    wrong = _npz(tmp_path, "wrong.npz", **{f"input:{x}": values, f"output:{y}": values + 1})
    assert check_golden({"": model}, replace(spec, golden_files=right * 2)) == 2
    with pytest.raises(LoadError, match=rf"^golden check 'wrong\.npz': output '{y}' differs"):
        check_golden({"": model}, replace(spec, golden_files=right + wrong))


@pytest.mark.parametrize("runtime", ["savedmodel", "onnx", "echo"])
def test_texts_are_held_against_golden_ones(models, runtime, tmp_path):
    spec = models.identity(runtime, Datatype.BYTES)
    model = models.load(spec)
    texts = np.array([["grüße", ""]])
    right = _npz(tmp_path, "right.npz", x=texts, y=np.char.encode(texts, "utf-8"))
    wrong = _npz(tmp_path, "wrong.npz", x=texts, y=np.array([["grüße", "!"]]))
    assert check_golden({"": model}, replace(spec, golden_files=right)) == 1
    with pytest.raises(LoadError, match=r"differs at \[0, 1\]: got b'', expected b'!'"):
        check_golden({"": model}, replace(spec, golden_files=wrong))


@pytest.mark.parametrize("runtime", FRAMEWORKS)
def test_one_output_of_several_may_be_golden(models, runtime, tmp_path):
    spec = models.two_way(runtime)
    files = _npz(tmp_path, a=X, b=X, total=X * 4)
    assert check_golden({"": models.load(spec)}, replace(spec, golden_files=files)) == 1


def test_a_module_that_works_in_place_does_not_change_its_sample(models, build, tmp_path):
    import torch

    class Adds(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            if bool((x > 1).any()):
                raise ValueError("not the sample")
            return x.add_(1)

    path = models.folder() / "model.pt"
    build.torch(Adds(), path)
    tensor = TensorSpec("x", Datatype.FP32, ROWS)
    files = _npz(tmp_path, x=np.ones((1, 2), np.float32))
    spec = ModelSpec(
        "m", 1, "torchscript", str(path), inputs=(tensor,), outputs=(tensor,), warmup_files=files
    )
    assert warm_up(models.load(spec), spec, 3) == "1 sample, batch sizes 1"


def test_no_numpy_is_needed_where_there_are_no_files():
    code = (
        "import sys\n"
        "import runtimes.golden, runtimes.warmup, runtimes.echo\n"
        "assert 'numpy' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
