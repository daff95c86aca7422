"""The architectures as ONNX graphs, written with onnx's own helpers; the batch is left open."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from server.demo.bench import weights
from server.demo.bench.architecture import Architecture, Port, Question
from server.demo.bench.ops import LAYER_NORM_EPSILON, MASKED, NORM_EPSILON
from server.demo.export_onnx import IR_VERSION, OPSET

TYPES = {"FP32": TensorProto.FLOAT, "INT64": TensorProto.INT64}


class Graph:
    """`Ops` whose tensors are names: each call adds a node."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.initializers: dict[str, onnx.TensorProto] = {}

    def conv(self, x: str, name: str, sizes: tuple[int, int, int], stride: int) -> str:
        into, out, size = sizes
        kernel = self._kept(f"{name}.kernel", weights.kernel(name, out, into, size))
        return self._node(
            "Conv", [x, kernel], kernel_shape=[size] * 2, strides=[stride] * 2,
            pads=[size // 2] * 4,
        )  # fmt: skip

    def batch_norm(self, x: str, name: str, channels: int, gain: float) -> str:
        parts = ("scale", "shift", "mean", "variance")
        arrays = weights.statistics(name, channels, gain)
        kept = [self._kept(f"{name}.{p}", a) for p, a in zip(parts, arrays, strict=True)]
        return self._node("BatchNormalization", [x, *kept], epsilon=NORM_EPSILON)

    def relu(self, x: str) -> str:
        return self._node("Relu", [x])

    def add(self, x: str, y: str) -> str:
        return self._node("Add", [x, y])

    def max_pool(self, x: str) -> str:
        return self._node("MaxPool", [x], kernel_shape=[3, 3], strides=[2, 2], pads=[1] * 4)

    def image_mean(self, x: str) -> str:
        return self._node("Flatten", [self._node("GlobalAveragePool", [x])], axis=1)

    def dense(self, x: str, name: str, size_in: int, size_out: int) -> str:
        kernel, bias = weights.dense(name, size_in, size_out)
        product = self._node("MatMul", [x, self._kept(f"{name}.kernel", kernel)])
        return self.add(product, self._kept(f"{name}.bias", bias))

    def embedding(self, ids: str, name: str, count: int, size: int) -> str:
        return self._node("Gather", [self._kept(name, weights.table(name, count, size)), ids])

    def positions(self, x: str, name: str, length: int, size: int) -> str:
        return self.add(x, self._kept(name, weights.table(name, length, size)))

    def layer_norm(self, x: str, name: str, size: int) -> str:
        scale, shift = weights.layer_norm(name, size)
        kept = [self._kept(f"{name}.scale", scale), self._kept(f"{name}.shift", shift)]
        return self._node("LayerNormalization", [x, *kept], epsilon=LAYER_NORM_EPSILON)

    def gelu(self, x: str) -> str:
        error = self._node("Erf", [self._node("Div", [x, self._number("root2", 2**0.5)])])
        halves = self._node("Mul", [x, self.add(error, self._number("one", 1.0))])
        return self._node("Mul", [halves, self._number("half", 0.5)])

    def tanh(self, x: str) -> str:
        return self._node("Tanh", [x])

    def heads(self, x: str, length: int, heads: int, size: int) -> str:
        shaped = self._reshape(x, [-1, length, heads, size])
        return self._node("Transpose", [shaped], perm=[0, 2, 1, 3])

    def mask_bias(self, mask: str, length: int) -> str:
        attended = self._node("Cast", [mask], to=TensorProto.FLOAT)
        padding = self._node("Sub", [self._number("one", 1.0), attended])
        bias = self._node("Mul", [padding, self._number("masked", MASKED)])
        return self._reshape(bias, [-1, 1, 1, length])

    def attend(self, q: str, k: str, v: str, bias: str, scale: float) -> str:
        turned = self._node("Transpose", [k], perm=[0, 1, 3, 2])
        scores = self._node("MatMul", [q, turned])
        scores = self.add(self._node("Mul", [scores, self._number("scale", scale)]), bias)
        return self._node("MatMul", [self._node("Softmax", [scores], axis=-1), v])

    def join(self, x: str, length: int, size: int) -> str:
        turned = self._node("Transpose", [x], perm=[0, 2, 1, 3])
        return self._reshape(turned, [-1, length, size])

    def first(self, x: str) -> str:
        index = self._kept("first", np.array(0, np.int64))
        return self._node("Gather", [x, index], axis=1)

    def finish(self, answer: str, output: str) -> None:
        """Give the answer the output's name."""
        self.nodes.append(helper.make_node("Identity", [answer], [output]))

    def _node(self, kind: str, inputs: Sequence[str], **attributes: object) -> str:
        name = f"t{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, inputs, [name], name=name, **attributes))
        return name

    def _reshape(self, x: str, shape: list[int]) -> str:
        name = self._kept(f"shape{shape}", np.array(shape, np.int64))
        return self._node("Reshape", [x, name])

    def _number(self, name: str, value: float) -> str:
        return self._kept(name, np.array(value, np.float32))

    def _kept(self, name: str, array: NDArray[np.float32] | NDArray[np.int64]) -> str:
        if name not in self.initializers:
            self.initializers[name] = numpy_helper.from_array(array, name)
        return name


def export(architecture: Architecture, version_folder: Path) -> None:
    """Write `model.onnx`, after onnx's full check."""
    graph = Graph()
    answer = architecture.answer(graph, {port.name: port.name for port in architecture.inputs})
    graph.finish(answer, architecture.output.name)
    model = helper.make_model(
        helper.make_graph(
            graph.nodes,
            architecture.name,
            inputs=[_value(port) for port in architecture.inputs],
            outputs=[_value(architecture.output)],
            initializer=list(graph.initializers.values()),
        ),
        producer_name="underway-demo",
        ir_version=IR_VERSION,
        opset_imports=[helper.make_opsetid("", OPSET)],
    )
    path = version_folder / "model.onnx"
    onnx.save_model(model, str(path))
    onnx.checker.check_model(str(path), full_check=True)


def predict(
    architecture: Architecture, version_folder: Path, questions: Sequence[Question]
) -> list[NDArray[np.float32]]:
    """Load what was written and run it."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(
        str(version_folder / "model.onnx"), options, providers=["CPUExecutionProvider"]
    )
    return [session.run([architecture.output.name], dict(question))[0] for question in questions]


def _value(port: Port) -> onnx.ValueInfoProto:
    dims = ["batch", *port.shape[1:]]
    return helper.make_tensor_value_info(port.name, TYPES[port.datatype], dims)
