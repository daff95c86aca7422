"""Digits as a SavedModel: the same weights in TensorFlow's layouts, with a named signature."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from server.demo.digits import DigitsWeights
from server.demo.naming import IMAGE, PROBABILITIES

POOLED = (32, 4, 4)  # channels, height, width of what the first dense layer sees


def export(weights: DigitsWeights, version_folder: Path) -> None:
    """Write `saved_model.pb` and its variables into the folder."""
    module = tf.Module(name="digits")
    module.conv1 = tf.Variable(_convolution(weights.conv1))
    module.conv1_bias = tf.Variable(weights.conv1_bias)
    module.conv2 = tf.Variable(_convolution(weights.conv2))
    module.conv2_bias = tf.Variable(weights.conv2_bias)
    module.dense1 = tf.Variable(_dense_after_flatten(weights.dense1))
    module.dense1_bias = tf.Variable(weights.dense1_bias)
    module.dense2 = tf.Variable(np.ascontiguousarray(weights.dense2.T))
    module.dense2_bias = tf.Variable(weights.dense2_bias)

    @tf.function(input_signature=[tf.TensorSpec([None, 1, 8, 8], tf.float32, name=IMAGE)])  # type: ignore[untyped-decorator]
    def classify(image: tf.Tensor) -> dict[str, tf.Tensor]:
        # TensorFlow's CPU convolutions know channels-last only; callers keep channels first.
        hidden = tf.transpose(never_empty(image), [0, 2, 3, 1])
        hidden = tf.nn.relu(tf.nn.conv2d(hidden, module.conv1, 1, "SAME") + module.conv1_bias)
        hidden = tf.nn.relu(tf.nn.conv2d(hidden, module.conv2, 1, "SAME") + module.conv2_bias)
        hidden = tf.nn.max_pool2d(hidden, 2, 2, "VALID")
        hidden = tf.reshape(hidden, [-1, int(np.prod(POOLED))])
        hidden = tf.nn.relu(tf.matmul(hidden, module.dense1) + module.dense1_bias)
        logits = tf.matmul(hidden, module.dense2) + module.dense2_bias
        return {PROBABILITIES: tf.nn.softmax(logits)[: tf.shape(image)[0]]}

    module.classify = classify
    tf.saved_model.save(module, str(version_folder), signatures={"serving_default": classify})


def predict(version_folder: Path, batches: list[NDArray[np.float32]]) -> list[NDArray[np.float32]]:
    """Load what was written and run its signature."""
    loaded = tf.saved_model.load(str(version_folder))
    signature = loaded.signatures["serving_default"]
    return [signature(**{IMAGE: tf.constant(batch)})[PROBABILITIES].numpy() for batch in batches]


def never_empty(batch: tf.Tensor) -> tf.Tensor:
    """A batch of none gets one blank row: oneDNN's fused convolutions fail on an empty one."""
    missing = tf.cast(tf.equal(tf.shape(batch)[0], 0), tf.int32)
    return tf.pad(batch, [[0, missing], *[[0, 0]] * (batch.shape.rank - 1)])


def _convolution(kernel: NDArray[np.float32]) -> NDArray[np.float32]:
    """[out, in, h, w] to TensorFlow's [h, w, in, out]."""
    return np.ascontiguousarray(kernel.transpose(2, 3, 1, 0))


def _dense_after_flatten(kernel: NDArray[np.float32]) -> NDArray[np.float32]:
    """[out, channels*h*w] to [h*w*channels, out]: the flattening order is the other one here."""
    channels_first = kernel.reshape(-1, *POOLED)
    return np.ascontiguousarray(channels_first.transpose(2, 3, 1, 0).reshape(-1, kernel.shape[0]))
