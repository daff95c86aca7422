"""Real, small models of every format, built once per session."""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import pytest

from runtimes.contract.messages import ModelSpec
from runtimes.contract.tensor import Datatype, Tensor, TensorSpec
from runtimes.registry import create_runtime
from runtimes.runtime import LoadedModel

FRAMEWORKS = ("torchscript", "savedmodel", "onnx")
RUNTIMES = (*FRAMEWORKS, "echo")


def _torch_dtype(datatype: Datatype):
    from runtimes.torchscript import DTYPES

    return DTYPES[datatype]


def _tf_dtype(datatype: Datatype):
    from runtimes.savedmodel_signatures import DATATYPES

    return {value: key for key, value in DATATYPES.items()}[datatype]


def onnx_type(datatype: Datatype) -> int:
    import onnx

    names = {"FP16": "FLOAT16", "BF16": "BFLOAT16", "FP32": "FLOAT", "FP64": "DOUBLE"}
    names["BYTES"] = "STRING"
    return onnx.TensorProto.DataType.Value(names.get(datatype.value, datatype.value))


def save_torch(module, path: Path, extra: dict[str, str] | None = None) -> None:
    import torch

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.save(torch.jit.script(module), str(path), _extra_files=extra or {})


def save_tf(function, inputs: Sequence, folder: Path, name: str = "serving_default", **state):
    """Save `function` of the TensorSpecs `inputs`; `state` are the variables it uses."""
    import tensorflow as tf

    module = tf.Module()
    for key, value in state.items():
        setattr(module, key, value)
    module.function = tf.function(function, input_signature=list(inputs))
    tf.saved_model.save(module, str(folder), signatures={name: module.function})


def save_onnx(nodes, inputs, outputs, path: Path, initializers=()) -> None:
    """`inputs` and `outputs` are (name, onnx type, shape) triples."""
    from onnx import helper

    graph = helper.make_graph(
        nodes,
        "graph",
        [helper.make_tensor_value_info(*item) for item in inputs],
        [helper.make_tensor_value_info(*item) for item in outputs],
        list(initializers),
    )
    opsets = [helper.make_opsetid("", 18)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=9)
    path.write_bytes(model.SerializeToString())


def identity(runtime: str, datatype: Datatype, shape: tuple[int, ...], folder: Path) -> ModelSpec:
    """`x` comes back as `y`."""
    artifact = folder / {"torchscript": "model.pt", "onnx": "model.onnx"}.get(runtime, "")
    inputs: tuple[TensorSpec, ...] = ()
    outputs: tuple[TensorSpec, ...] = ()
    if runtime in ("torchscript", "echo"):
        inputs = (TensorSpec("x", datatype, shape),)
        outputs = (TensorSpec("y", datatype, shape),)
    if runtime == "torchscript":
        import torch

        save_torch(torch.nn.Identity(), artifact)
        inputs = (TensorSpec("input", datatype, shape),)
    elif runtime == "savedmodel":
        import tensorflow as tf

        dims = [None if dim < 0 else dim for dim in shape]
        spec = tf.TensorSpec(dims, _tf_dtype(datatype), name="x")
        save_tf(lambda x: {"y": tf.identity(x)}, [spec], artifact)
    elif runtime == "onnx":
        from onnx import helper

        dims = [f"d{at}" if dim < 0 else dim for at, dim in enumerate(shape)]
        kind = onnx_type(datatype)
        node = helper.make_node("Identity", ["x"], ["y"])
        save_onnx([node], [("x", kind, dims)], [("y", kind, dims)], artifact)
    return ModelSpec("identity", 1, runtime, str(artifact), inputs=inputs, outputs=outputs)


def two_way(runtime: str, folder: Path) -> ModelSpec:
    """From `a` and `b`, FP32 [-1, 2]: `difference` is a * 3 - b, `total` a * 3 + b."""
    signature = '{"name": "%s", "datatype": "FP32", "shape": [-1, 2]}'
    if runtime == "torchscript":
        import torch

        class TwoWay(torch.nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.factor = torch.nn.Parameter(torch.tensor(3.0))
                self.register_buffer("zero", torch.zeros(1))

            def forward(self, a: torch.Tensor, b: torch.Tensor) -> dict[str, torch.Tensor]:
                scaled = a * self.factor + self.zero
                return {"total": scaled + b, "difference": scaled - b}

        text = (
            f'{{"inputs": [{signature % "a"}, {signature % "b"}], '
            f'"outputs": [{signature % "difference"}, {signature % "total"}]}}'
        )
        save_torch(TwoWay(), folder / "model.pt", {"signature.json": text})
        return ModelSpec("two_way", 1, runtime, str(folder / "model.pt"))
    if runtime == "savedmodel":
        import tensorflow as tf

        factor = tf.Variable(3.0)
        specs = [tf.TensorSpec([None, 2], tf.float32, name=name) for name in "ab"]
        save_tf(
            lambda a, b: {"total": a * factor + b, "difference": a * factor - b},
            specs,
            folder,
            factor=factor,
        )
        return ModelSpec("two_way", 1, runtime, str(folder))
    from onnx import TensorProto, helper

    nodes = [
        helper.make_node("Mul", ["a", "factor"], ["scaled"]),
        helper.make_node("Sub", ["scaled", "b"], ["difference"]),
        helper.make_node("Add", ["scaled", "b"], ["total"]),
    ]
    factor = helper.make_tensor("factor", TensorProto.FLOAT, [], [3.0])
    pair = [(name, TensorProto.FLOAT, ["n", 2]) for name in ("a", "b", "difference", "total")]
    save_onnx(nodes, pair[:2], pair[2:], folder / "model.onnx", [factor])
    return ModelSpec("two_way", 1, runtime, str(folder / "model.onnx"))


@dataclass
class Models:
    """Builds and loads models, each once."""

    root: Path
    _specs: dict[object, ModelSpec] = field(default_factory=dict)
    _loaded: dict[object, LoadedModel] = field(default_factory=dict)

    def identity(self, runtime: str, datatype: Datatype, shape=(-1, -1)) -> ModelSpec:
        key = (runtime, datatype, shape)
        if key not in self._specs:
            self._specs[key] = identity(runtime, datatype, shape, self.folder())
        return self._specs[key]

    def two_way(self, runtime: str) -> ModelSpec:
        if runtime not in self._specs:
            self._specs[runtime] = two_way(runtime, self.folder())
        return self._specs[runtime]

    def folder(self) -> Path:
        """A fresh version folder."""
        folder = self.root / f"model{len(list(self.root.iterdir()))}" / "1"
        folder.mkdir(parents=True)
        return folder

    def load(self, spec: ModelSpec) -> LoadedModel:
        """Load on the CPU, keeping models between tests."""
        key = repr(spec)
        if key not in self._loaded:
            self._loaded[key] = create_runtime(spec.runtime).load(spec)
        return self._loaded[key]


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Models:
    return Models(tmp_path_factory.mktemp("repository"))


@pytest.fixture(scope="session")
def build():
    """The functions that write artifacts, for tests with models of their own."""

    class Build:
        torch = staticmethod(save_torch)
        tf = staticmethod(save_tf)
        onnx = staticmethod(save_onnx)
        onnx_type = staticmethod(onnx_type)

    return Build


@pytest.fixture(scope="session")
def fp32():
    """Make an FP32 tensor from nested lists."""

    def make(name: str, values) -> Tensor:
        array = np.array(values, np.float32)
        return Tensor(name, Datatype.FP32, array.shape, array.tobytes())

    return make


@pytest.fixture(scope="session")
def exports(tmp_path_factory):
    """SavedModels with several signatures; see saved_models.Exports."""
    from tests.contract.saved_models import make_exports

    return make_exports(tmp_path_factory.mktemp("exports"))
