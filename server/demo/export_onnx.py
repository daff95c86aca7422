"""Digits as ONNX: ten nodes written with onnx's own helpers, the batch dimension left open."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from server.demo.digits import DigitsWeights
from server.demo.naming import IMAGE, IMAGE_SHAPE, PROBABILITIES, PROBABILITIES_SHAPE

# Old enough for every ONNX Runtime that the project supports (1.20 and later).
OPSET = 18
IR_VERSION = 9


def export(weights: DigitsWeights, version_folder: Path) -> None:
    """Write `model.onnx` into the folder, after onnx's full check."""
    graph = helper.make_graph(
        _nodes(),
        "digits",
        inputs=[_value(IMAGE, IMAGE_SHAPE)],
        outputs=[_value(PROBABILITIES, PROBABILITIES_SHAPE)],
        initializer=_initializers(weights),
    )
    model = helper.make_model(
        graph,
        producer_name="underway-demo",
        ir_version=IR_VERSION,
        opset_imports=[helper.make_opsetid("", OPSET)],
    )
    onnx.checker.check_model(model, full_check=True)
    onnx.save_model(model, str(version_folder / "model.onnx"))


def predict(version_folder: Path, batches: list[NDArray[np.float32]]) -> list[NDArray[np.float32]]:
    """Load what was written and run it."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(
        str(version_folder / "model.onnx"), options, providers=["CPUExecutionProvider"]
    )
    return [session.run([PROBABILITIES], {IMAGE: batch})[0] for batch in batches]


def _nodes() -> list[onnx.NodeProto]:
    padded = {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1]}
    return [
        helper.make_node("Conv", [IMAGE, "conv1", "conv1_bias"], ["c1"], "conv1", **padded),
        helper.make_node("Relu", ["c1"], ["r1"], "relu1"),
        helper.make_node("Conv", ["r1", "conv2", "conv2_bias"], ["c2"], "conv2", **padded),
        helper.make_node("Relu", ["c2"], ["r2"], "relu2"),
        helper.make_node("MaxPool", ["r2"], ["p"], "pool", kernel_shape=[2, 2], strides=[2, 2]),
        helper.make_node("Flatten", ["p"], ["f"], "flatten", axis=1),
        helper.make_node("Gemm", ["f", "dense1", "dense1_bias"], ["d1"], "dense1", transB=1),
        helper.make_node("Relu", ["d1"], ["r3"], "relu3"),
        helper.make_node("Gemm", ["r3", "dense2", "dense2_bias"], ["d2"], "dense2", transB=1),
        helper.make_node("Softmax", ["d2"], [PROBABILITIES], "softmax", axis=1),
    ]


def _value(name: str, shape: list[int]) -> onnx.ValueInfoProto:
    dims = ["batch" if dim < 0 else dim for dim in shape]
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, dims)


def _initializers(weights: DigitsWeights) -> list[onnx.TensorProto]:
    return [
        numpy_helper.from_array(getattr(weights, name), name) for name in DigitsWeights.__slots__
    ]
