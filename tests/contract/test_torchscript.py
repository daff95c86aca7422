"""What only TorchScript artifacts do: they tell little of themselves."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from dataclasses import replace

import numpy as np
import pytest
import torch

from runtimes.contract.messages import ModelSpec
from runtimes.contract.tensor import Datatype, TensorSpec
from runtimes.runtime import LoadError, ModelError

FP32 = Datatype.FP32
ROWS = (-1, 2)


class Minus(torch.nn.Module):
    def forward(self, left: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
        return left - right


class Both(torch.nn.Module):
    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return x + 1, x * 2


class Optional(torch.nn.Module):
    def forward(
        self, x: torch.Tensor, bias: torch.Tensor | None = None, mask: torch.Tensor | None = None
    ) -> torch.Tensor:
        if bias is not None:
            x = x + bias
        if mask is not None:
            x = x * mask
        return x


class Counted(torch.nn.Module):
    def forward(self, x: torch.Tensor, count: int) -> torch.Tensor:
        return x * count


class InPlace(torch.nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.add_(1)


class Linear(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = torch.nn.Linear(2, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layer(x)


class NeedsImages(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = torch.nn.Conv2d(1, 1, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.conv(x)


@pytest.fixture
def publish(models, build):
    """Save a module; returns its spec with the inputs and outputs named."""

    def make(module, inputs=(), outputs=(), extra=None, shape=ROWS) -> ModelSpec:
        path = models.folder() / "model.pt"
        build.torch(module, path, extra)
        return ModelSpec(
            "m",
            1,
            "torchscript",
            str(path),
            inputs=tuple(TensorSpec(name, FP32, shape) for name in inputs),
            outputs=tuple(TensorSpec(name, FP32, shape) for name in outputs),
        )

    return make


def _values(tensor):
    return np.frombuffer(tensor.data, np.float32).tolist()


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (("left", "right"), [9.0, 18.0]),
        (("right", "left"), [-9.0, -18.0]),
        (("INPUT__0", "INPUT__1"), [9.0, 18.0]),
        (("INPUT__1", "INPUT__0"), [-9.0, -18.0]),
        (("first", "second"), [9.0, 18.0]),
    ],
)
def test_inputs_meet_arguments_by_index_by_name_or_in_order(models, publish, fp32, names, expected):
    model = models.load(publish(Minus(), names, ["OUTPUT__0"]))
    (answer,) = model.infer([fp32(names[0], [[10, 20]]), fp32(names[1], [[1, 2]])], ["OUTPUT__0"])
    assert _values(answer) == expected


@pytest.mark.parametrize(
    ("names", "wanted", "expected"),
    [
        (("plus", "twice"), "twice", [6.0, 8.0]),
        (("OUTPUT__1", "OUTPUT__0"), "OUTPUT__1", [6.0, 8.0]),
        (("OUTPUT__1",), "OUTPUT__1", [6.0, 8.0]),
    ],
)
def test_outputs_of_a_tuple_are_found(models, publish, fp32, names, wanted, expected):
    model = models.load(publish(Both(), ["x"], names))
    (answer,) = model.infer([fp32("x", [[3, 4]])], [wanted])
    assert _values(answer) == expected


def test_more_outputs_than_are_returned_are_refused(models, publish):
    with pytest.raises(LoadError, match="returned 2 tensors, but output 'c' is number 3"):
        models.load(publish(Both(), ["x"], ["a", "b", "c"]))


def test_names_that_fit_only_in_part_are_refused(models, publish):
    with pytest.raises(LoadError, match=r"'middle' is none of forward's arguments \('left'"):
        models.load(publish(Minus(), ["left", "middle"], ["y"]))


@pytest.mark.parametrize(
    ("module", "inputs", "message"),
    [
        (Minus(), ["left"], "'right' has no default and no input is declared"),
        (Minus(), ["a", "b", "c"], "'c' would be argument 2 of forward, which takes 2"),
        (Minus(), ["a__0", "b__0"], "two names end in the same '__N'"),
        (Counted(), ["x", "count"], "'count' is of type int; only tensors can be served"),
    ],
)
def test_inputs_that_do_not_fit_forward_are_refused(models, publish, module, inputs, message):
    with pytest.raises(LoadError, match=message):
        models.load(publish(module, inputs, ["y"]))


def test_an_optional_argument_may_be_left_out(models, publish, fp32):
    spec = publish(Optional(), ["x", "bias", "mask"], ["y"])
    inputs = (spec.inputs[0], *(replace(item, optional=True) for item in spec.inputs[1:]))
    model = models.load(replace(spec, inputs=inputs))
    x, mask = fp32("x", [[3, 4]]), fp32("mask", [[0, 1]])
    assert _values(model.infer([x], ["y"])[0]) == [3.0, 4.0]
    assert _values(model.infer([mask, x], ["y"])[0]) == [0.0, 4.0]


def test_without_a_signature_the_yaml_to_add_is_shown(models, publish):
    with pytest.raises(LoadError) as caught:
        models.load(publish(Minus()))
    assert str(caught.value).splitlines()[1:] == [
        "inputs:",
        "  - {name: left, datatype: FP32, shape: [-1, -1]}",
        "  - {name: right, datatype: FP32, shape: [-1, -1]}",
        "outputs:",
        "  - {name: output, datatype: FP32, shape: [-1, -1]}",
    ]


def test_the_yaml_to_add_has_as_many_outputs_as_a_tuple(models, publish):
    with pytest.raises(LoadError, match="name: output_1"):
        models.load(publish(Both(), ["x"]))


def test_the_embedded_signature_is_used_and_its_batch_size(models, publish):
    item = {"datatype": "FP32", "shape": [-1, 2]}
    text = json.dumps(
        {
            "inputs": [{"name": "left", **item}, {"name": "right", **item}],
            "outputs": [{"name": "y", **item}],
            "max_batch_size": 5,
        }
    )
    model = models.load(publish(Minus(), extra={"signature.json": text}))
    assert model.max_batch_size == 5
    assert model.facts["signature"] == "signature.json"


def test_the_configuration_goes_before_the_embedded_signature(models, publish):
    text = json.dumps({"inputs": [{"name": "q", "datatype": "INT8", "shape": [1]}]})
    spec = publish(Minus(), ["left", "right"], ["y"], {"signature.json": text})
    assert models.load(spec).facts["signature"] == "configuration"


def test_a_request_on_which_the_module_fails_gives_the_reason_alone(models, publish, fp32):
    model = models.load(publish(Minus(), ["left", "right"], ["y"]))
    with pytest.raises(ModelError) as caught:
        model.infer([fp32("left", [[1, 2]] * 3), fp32("right", [[1, 2]] * 2)], ["y"])
    assert "must match the size of tensor b" in str(caught.value)
    assert "Traceback" not in str(caught.value)
    assert "File" not in str(caught.value)


def test_a_failing_trial_run_of_a_known_shape_fails_the_load(models, publish):
    with pytest.raises(LoadError, match="a trial run on zeros failed"):
        models.load(publish(Linear(), ["x"], ["y"], shape=(-1, 3)))


def test_a_failing_trial_run_of_a_guessed_shape_does_not(models, publish):
    spec = publish(NeedsImages(), ["x"], ["y"], shape=(-1, 1, -1, -1))
    assert models.load(spec).facts["probe"].startswith("inconclusive: ")


def test_a_module_that_works_in_place_does_not_touch_read_only_buffers(models, publish, fp32):
    model = models.load(publish(InPlace(), ["x"], ["y"]))
    request = fp32("x", [[1, 2]])
    for _ in range(2):
        assert _values(model.infer([request], ["y"])[0]) == [2.0, 3.0]


@pytest.mark.parametrize("freeze", [True, False])
def test_half_precision_keeps_fp32_at_the_edges(models, publish, fp32, freeze):
    spec = replace(publish(Linear(), ["x"], ["y"]), precision="fp16", options={"freeze": freeze})
    exact = models.load(replace(spec, precision="fp32"))
    half = models.load(spec)
    request = [fp32("x", [[0.1, 0.2]])]
    expected, found = (_values(m.infer(request, ["y"])[0]) for m in (exact, half))
    assert found == pytest.approx(expected, abs=5e-3)
    assert found != expected
    assert found == np.array(found, np.float16).astype(np.float32).tolist()


@pytest.mark.parametrize(("precision", "word"), [("fp32", "ieee"), ("tf32", "tf32")])
def test_precision_reaches_pytorch(models, publish, precision, word):
    spec = replace(publish(Linear(), ["x"], ["y"]), precision=precision)
    models.load(spec)
    if hasattr(torch.backends.cuda.matmul, "fp32_precision"):
        assert torch.backends.cuda.matmul.fp32_precision == word
        assert torch.backends.cudnn.conv.fp32_precision == word
    else:
        assert torch.backends.cudnn.allow_tf32 == (word == "tf32")


def test_an_unknown_operator_is_named(models, publish):
    spec = publish(InPlace(), ["x"], ["y"])
    path = models.folder() / "model.pt"
    with zipfile.ZipFile(spec.artifact) as source, zipfile.ZipFile(path, "w") as target:
        for name in source.namelist():
            content = source.read(name)
            if name.endswith(".py"):
                content = content.replace(b"torch.add_", b"torch.frobnicate")
            target.writestr(name, content)
    with pytest.raises(LoadError, match="Unknown builtin op: aten::frobnicate") as caught:
        models.load(replace(spec, artifact=str(path)))
    assert "File" not in str(caught.value)


def test_a_pickled_checkpoint_is_not_loaded(models, tmp_path):
    path = models.folder() / "model.pt"
    torch.save({"weight": torch.zeros(1)}, path)
    with pytest.raises(LoadError, match="PyTorch cannot load it"):
        models.load(ModelSpec("m", 1, "torchscript", str(path)))


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
def test_graphs_are_refused_where_there_is_no_gpu(models):
    spec = replace(models.two_way("torchscript"), options={"cuda_graphs": True})
    with pytest.raises(LoadError, match="option 'cuda_graphs' needs a CUDA device, and this"):
        models.load(spec)


def test_pytorch_is_imported_with_its_operations_compiled_beforehand():
    watch = (
        "import os, sys\n"
        "class First:\n"
        "    def find_spec(self, name, *rest):\n"
        "        if name == 'torch':\n"
        "            sys.exit(os.environ.get('TORCH_DISABLE_NATIVE_JIT', 'not set'))\n"
        "sys.meta_path.insert(0, First())\n"
        "import runtimes.torchscript\n"
    )
    done = subprocess.run([sys.executable, "-c", watch], capture_output=True, text=True, timeout=60)

    assert done.stderr.strip() == "1"
