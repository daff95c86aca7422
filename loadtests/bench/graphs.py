"""Two ONNX models with seeded weights: one takes a large tensor, one takes long."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import NodeProto, TensorProto, helper, numpy_helper

OPSET = 18
IR_VERSION = 9  # old enough for every ONNX Runtime that the project supports

CLASSES = 100
CHANNELS = 64
LAYERS = 5
"""Convolutions of 64 channels on 56 x 56 points, 0.23 GFLOP each. All of them take at least 5 ms on
any core there is, 10 to 25 on usual ones."""

Weights = dict[str, NDArray[np.float32]]


def write_image(path: Path) -> None:
    """Scores of a 3 x 224 x 224 picture (602,112 bytes): the means of its lines, and one layer.

    All of it is read, but little is done, so that what is measured is the way of the bytes.
    """
    random = np.random.default_rng(1)
    weights = {"dense": _scaled(random, (CLASSES, 3 * 224))}
    axes = numpy_helper.from_array(np.array([3], np.int64), "axes")
    nodes = [
        helper.make_node("Constant", [], ["axes"], value=axes),
        helper.make_node("ReduceMean", ["image", "axes"], ["means"], keepdims=0),
        helper.make_node("Flatten", ["means"], ["flat"], axis=1),
        helper.make_node("Gemm", ["flat", "dense"], ["scores"], transB=1),
    ]
    _write(path, nodes, weights, [3, 224, 224])


def write_heavy(path: Path) -> None:
    """Scores of a 3 x 56 x 56 picture after LAYERS convolutions."""
    random = np.random.default_rng(2)
    weights = {"first": _scaled(random, (CHANNELS, 3, 3, 3))}
    nodes = _convolution("image", "first", "c0")
    for index in range(LAYERS):
        weights[f"w{index}"] = _scaled(random, (CHANNELS, CHANNELS, 3, 3))
        nodes += _convolution(f"c{index}", f"w{index}", f"c{index + 1}")
    weights["dense"] = _scaled(random, (CLASSES, CHANNELS))
    nodes += [
        helper.make_node("GlobalAveragePool", [f"c{LAYERS}"], ["pooled"]),
        helper.make_node("Flatten", ["pooled"], ["flat"], axis=1),
        helper.make_node("Gemm", ["flat", "dense"], ["scores"], transB=1),
    ]
    _write(path, nodes, weights, [3, 56, 56])


WRITERS = {"image": write_image, "heavy": write_heavy}


def _convolution(source: str, weight: str, target: str) -> list[NodeProto]:
    same = {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1]}
    return [
        helper.make_node("Conv", [source, weight], [f"{target}_linear"], **same),
        helper.make_node("Relu", [f"{target}_linear"], [target]),
    ]


def _scaled(random: np.random.Generator, shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Weights of a size that neither lets numbers die out nor grow from layer to layer."""
    deviation = np.sqrt(2 / np.prod(shape[1:]))
    return random.normal(0, deviation, shape).astype(np.float32)


def _write(path: Path, nodes: list[NodeProto], weights: Weights, shape: list[int]) -> None:
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, ["batch", *shape])
    scores = helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["batch", CLASSES])
    constants = [numpy_helper.from_array(value, name) for name, value in weights.items()]
    graph = helper.make_graph(nodes, path.parent.name, [image], [scores], constants)
    opsets = [helper.make_opsetid("", OPSET)]
    model = helper.make_model(graph, ir_version=IR_VERSION, opset_imports=opsets)
    onnx.checker.check_model(model, full_check=True)
    onnx.save_model(model, str(path))
