"""ResNet-50 in its usual form (v1.5: a bottleneck strides in its 3x3 convolution).

The architecture is that of He et al., "Deep Residual Learning for Image Recognition" (2015).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from server.demo.bench.architecture import Port, Question
from server.demo.bench.ops import Ops, T

EXPANSION = 4
BRANCH_GAIN = 0.3
"""Of what a block adds: with statistics that were never trained, more would grow without end."""


@dataclass(frozen=True, slots=True)
class ResNet:
    """FP32 images [n, 3, side, side] to logits [n, classes]."""

    name: str
    blocks: tuple[int, ...]
    width: int
    side: int
    classes: int

    @property
    def inputs(self) -> tuple[Port, ...]:
        """One image."""
        return (Port("image", "FP32", (-1, 3, self.side, self.side)),)

    @property
    def output(self) -> Port:
        """A score for every class."""
        return Port("logits", "FP32", (-1, self.classes))

    def answer(self, ops: Ops[T], inputs: Mapping[str, T]) -> T:
        """The logits."""
        x = ops.conv(inputs["image"], "stem", (3, self.width, 7), 2)
        x = ops.max_pool(ops.relu(ops.batch_norm(x, "stem", self.width, 1.0)))
        channels = self.width
        for stage, count in enumerate(self.blocks):
            inner = self.width << stage
            for block in range(count):
                stride = 2 if stage and not block else 1
                x = _bottleneck(ops, x, f"{stage}.{block}", channels, inner, stride)
                channels = inner * EXPANSION
        return ops.dense(ops.image_mean(x), "head", channels, self.classes)

    def question(self, rows: int) -> Question:
        """Images of noise."""
        shape = (rows, 3, self.side, self.side)
        return {"image": np.random.default_rng(rows).random(shape, np.float32)}


def _bottleneck(ops: Ops[T], x: T, name: str, into: int, inner: int, stride: int) -> T:
    out = inner * EXPANSION
    y = _conv_norm(ops, x, f"{name}.1", (into, inner, 1), 1)
    y = _conv_norm(ops, ops.relu(y), f"{name}.2", (inner, inner, 3), stride)
    y = _conv_norm(ops, ops.relu(y), f"{name}.3", (inner, out, 1), 1, BRANCH_GAIN)
    if stride != 1 or into != out:
        x = _conv_norm(ops, x, f"{name}.shortcut", (into, out, 1), stride)
    return ops.relu(ops.add(x, y))


def _conv_norm(
    ops: Ops[T], x: T, name: str, sizes: tuple[int, int, int], stride: int, gain: float = 1.0
) -> T:
    return ops.batch_norm(ops.conv(x, name, sizes, stride), name, sizes[1], gain)
