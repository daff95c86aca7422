"""The operations that the architectures are written in; each format implements them once."""

from __future__ import annotations

from typing import Protocol, TypeVar

T = TypeVar("T")

NORM_EPSILON = 1e-5
LAYER_NORM_EPSILON = 1e-12
MASKED = -10_000.0
"""Added to the scores of positions that are padding."""


class Ops(Protocol[T]):
    """Images are [n, channels, h, w], sequences [n, length, size].

    A `name` stands for weights, which are the same in every format (`weights.py`). A format may
    keep images in another order inside.
    """

    def conv(self, x: T, name: str, sizes: tuple[int, int, int], stride: int) -> T:
        """Convolution without bias; `sizes` are channels in, out and kernel. Same padding."""

    def batch_norm(self, x: T, name: str, channels: int, gain: float) -> T:
        """With the statistics of training; their scale is about `gain`."""

    def relu(self, x: T) -> T:
        """max(x, 0)."""

    def add(self, x: T, y: T) -> T:
        """x + y."""

    def max_pool(self, x: T) -> T:
        """3x3, stride 2, padding 1, of what is not negative."""

    def image_mean(self, x: T) -> T:
        """[n, channels, h, w] to [n, channels]."""

    def dense(self, x: T, name: str, size_in: int, size_out: int) -> T:
        """Along the last axis, with bias."""

    def embedding(self, ids: T, name: str, count: int, size: int) -> T:
        """[n, length] of INT64 to [n, length, size]."""

    def positions(self, x: T, name: str, length: int, size: int) -> T:
        """x + a vector for each position."""

    def layer_norm(self, x: T, name: str, size: int) -> T:
        """Over the last axis."""

    def gelu(self, x: T) -> T:
        """x * (1 + erf(x / sqrt 2)) / 2."""

    def tanh(self, x: T) -> T:
        """The hyperbolic tangent."""

    def heads(self, x: T, length: int, heads: int, size: int) -> T:
        """[n, length, heads * size] to [n, heads, length, size]."""

    def mask_bias(self, mask: T, length: int) -> T:
        """[n, length] of INT64, 1 to attend, to [n, 1, 1, length]: 0 or MASKED."""

    def attend(self, q: T, k: T, v: T, bias: T, scale: float) -> T:
        """softmax(q k^T * scale + bias) v."""

    def join(self, x: T, length: int, size: int) -> T:
        """[n, heads, length, size / heads] to [n, length, size]."""

    def first(self, x: T) -> T:
        """[n, length, size] to [n, size]: the first position."""
