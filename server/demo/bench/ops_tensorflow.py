"""The architectures in TensorFlow, written as SavedModels with a named signature."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from server.demo.bench import weights
from server.demo.bench.architecture import Architecture, Question
from server.demo.bench.ops import LAYER_NORM_EPSILON, MASKED, NORM_EPSILON
from server.demo.bench.weights import Array
from server.demo.export_savedmodel import never_empty

DTYPES = {"FP32": tf.float32, "INT64": tf.int64}

_Make = Callable[[], Sequence[Array]]


class Network(tf.Module):  # type: ignore[misc]
    """`Ops` with images channels-last, as TensorFlow's CPU convolutions want them."""

    def __init__(self, architecture: Architecture) -> None:
        super().__init__(name="network")
        self._architecture = architecture
        self.kept: dict[str, list[tf.Variable]] = {}

    def __call__(self, inputs: dict[str, tf.Tensor]) -> tf.Tensor:
        """The output; an empty batch computes one row and drops it."""
        rows = tf.shape(next(iter(inputs.values())))[0]
        filled = {name: _channels_last(never_empty(x)) for name, x in inputs.items()}
        return self._architecture.answer(self, filled)[:rows]

    def conv(self, x: tf.Tensor, name: str, sizes: tuple[int, int, int], stride: int) -> tf.Tensor:
        into, out, size = sizes
        (kernel,) = self._kept(f"{name}.conv", lambda: (_kernel(name, out, into, size),))
        return tf.nn.conv2d(x, kernel, stride, _padding(size // 2))

    def batch_norm(self, x: tf.Tensor, name: str, channels: int, gain: float) -> tf.Tensor:
        scale, shift, mean, variance = self._kept(
            f"{name}.norm", lambda: weights.statistics(name, channels, gain)
        )
        return tf.compat.v1.nn.fused_batch_norm(
            x, scale, shift, mean, variance, epsilon=NORM_EPSILON, is_training=False
        )[0]

    def relu(self, x: tf.Tensor) -> tf.Tensor:
        return tf.nn.relu(x)

    def add(self, x: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
        return x + y

    def max_pool(self, x: tf.Tensor) -> tf.Tensor:
        return tf.nn.max_pool2d(x, 3, 2, _padding(1))

    def image_mean(self, x: tf.Tensor) -> tf.Tensor:
        return tf.reduce_mean(x, (1, 2))

    def dense(self, x: tf.Tensor, name: str, size_in: int, size_out: int) -> tf.Tensor:
        kernel, bias = self._kept(name, lambda: weights.dense(name, size_in, size_out))
        return tf.tensordot(x, kernel, 1) + bias

    def embedding(self, ids: tf.Tensor, name: str, count: int, size: int) -> tf.Tensor:
        (table,) = self._kept(name, lambda: (weights.table(name, count, size),))
        return tf.gather(table, ids)

    def positions(self, x: tf.Tensor, name: str, length: int, size: int) -> tf.Tensor:
        (table,) = self._kept(name, lambda: (weights.table(name, length, size),))
        return x + table

    def layer_norm(self, x: tf.Tensor, name: str, size: int) -> tf.Tensor:
        scale, shift = self._kept(name, lambda: weights.layer_norm(name, size))
        mean, variance = tf.nn.moments(x, [-1], keepdims=True)
        return tf.nn.batch_normalization(x, mean, variance, shift, scale, LAYER_NORM_EPSILON)

    def gelu(self, x: tf.Tensor) -> tf.Tensor:
        return tf.nn.gelu(x)

    def tanh(self, x: tf.Tensor) -> tf.Tensor:
        return tf.tanh(x)

    def heads(self, x: tf.Tensor, length: int, heads: int, size: int) -> tf.Tensor:
        return tf.transpose(tf.reshape(x, (-1, length, heads, size)), (0, 2, 1, 3))

    def mask_bias(self, mask: tf.Tensor, length: int) -> tf.Tensor:
        return tf.reshape(tf.cast(1 - mask, tf.float32) * MASKED, (-1, 1, 1, length))

    def attend(
        self, q: tf.Tensor, k: tf.Tensor, v: tf.Tensor, bias: tf.Tensor, scale: float
    ) -> tf.Tensor:
        scores = tf.matmul(q, k, transpose_b=True) * scale + bias
        return tf.matmul(tf.nn.softmax(scores), v)

    def join(self, x: tf.Tensor, length: int, size: int) -> tf.Tensor:
        return tf.reshape(tf.transpose(x, (0, 2, 1, 3)), (-1, length, size))

    def first(self, x: tf.Tensor) -> tf.Tensor:
        return x[:, 0]

    def _kept(self, name: str, make: _Make) -> list[tf.Variable]:
        if name not in self.kept:
            self.kept[name] = [tf.Variable(array, trainable=False) for array in make()]
        return self.kept[name]


def export(architecture: Architecture, version_folder: Path) -> None:
    """Write `saved_model.pb` and its variables."""
    network = Network(architecture)
    question = architecture.question(1)
    network({name: tf.constant(array) for name, array in question.items()})  # makes the weights
    specs = [
        tf.TensorSpec((None, *port.shape[1:]), DTYPES[port.datatype], name=port.name)
        for port in architecture.inputs
    ]

    @tf.function(input_signature=specs)  # type: ignore[untyped-decorator]
    def answer(*inputs: tf.Tensor) -> dict[str, tf.Tensor]:
        names = (port.name for port in architecture.inputs)
        return {architecture.output.name: network(dict(zip(names, inputs, strict=True)))}

    network.answer = answer
    tf.saved_model.save(network, str(version_folder), signatures={"serving_default": answer})


def predict(
    architecture: Architecture, version_folder: Path, questions: Sequence[Question]
) -> list[NDArray[np.float32]]:
    """Load what was written and run its signature."""
    loaded = tf.saved_model.load(str(version_folder))
    signature = loaded.signatures["serving_default"]
    asked = ({name: tf.constant(array) for name, array in q.items()} for q in questions)
    return [signature(**inputs)[architecture.output.name].numpy() for inputs in asked]


def _channels_last(x: tf.Tensor) -> tf.Tensor:
    return tf.transpose(x, (0, 2, 3, 1)) if x.shape.rank == 4 else x


def _kernel(name: str, out: int, into: int, size: int) -> Array:
    """[out, in, h, w] to TensorFlow's [h, w, in, out]."""
    return np.ascontiguousarray(weights.kernel(name, out, into, size).transpose(2, 3, 1, 0))


def _padding(each: int) -> list[list[int]]:
    """By so much on every side; TensorFlow's own SAME pads one side more when it strides."""
    return [[0, 0], [each, each], [each, each], [0, 0]]
