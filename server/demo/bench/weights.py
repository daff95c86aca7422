"""Weights that every process makes alike: seeded by their names, not by the order of use."""

from __future__ import annotations

import zlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

SEED = 50

Array = NDArray[np.float32]


def normal(name: str, shape: Sequence[int], scale: float, around: float = 0.0) -> Array:
    """FP32 numbers of a normal distribution."""
    random = np.random.default_rng([SEED, zlib.crc32(name.encode())])
    values = random.standard_normal(tuple(shape), np.float32)
    values *= np.float32(scale)
    values += np.float32(around)
    return values


def kernel(name: str, out: int, into: int, size: int) -> Array:
    """A convolution's [out, in, size, size], so that activations neither grow nor vanish."""
    return normal(f"{name}.kernel", (out, into, size, size), (2.0 / (into * size * size)) ** 0.5)


def statistics(name: str, channels: int, gain: float) -> tuple[Array, Array, Array, Array]:
    """A batch norm's scale, shift, mean and variance, each [channels]."""
    return (
        normal(f"{name}.scale", (channels,), 0.05 * gain, gain),
        normal(f"{name}.shift", (channels,), 0.05),
        normal(f"{name}.mean", (channels,), 0.05),
        np.abs(normal(f"{name}.variance", (channels,), 0.05, 1.0)) + np.float32(0.1),
    )


def dense(name: str, into: int, out: int) -> tuple[Array, Array]:
    """A dense layer's [in, out] and bias [out]."""
    return (
        normal(f"{name}.kernel", (into, out), into**-0.5),
        normal(f"{name}.bias", (out,), 0.02),
    )


def layer_norm(name: str, size: int) -> tuple[Array, Array]:
    """Scale and shift, each [size]."""
    return normal(f"{name}.scale", (size,), 0.02, 1.0), normal(f"{name}.shift", (size,), 0.02)


def table(name: str, count: int, size: int) -> Array:
    """An embedding's [count, size]."""
    return normal(name, (count, size), 0.5)
