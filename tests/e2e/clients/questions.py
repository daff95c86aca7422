"""What test_same_answers asks, as files carry it between processes; numpy only."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

SIZES = (1, 3, 16)


def batches(images: np.ndarray, size: int) -> Iterator[np.ndarray]:
    """`images` in batches of `size`, the last one perhaps smaller."""
    for start in range(0, len(images), size):
        yield images[start : start + size]


def pack(texts: list[bytes]) -> dict[str, np.ndarray]:
    """Texts as arrays without objects: numpy's own bytes type drops trailing zeros."""
    return {
        "lengths": np.array([len(text) for text in texts]),
        "bytes": np.frombuffer(b"".join(texts), np.uint8),
    }


def unpack(asked: Mapping[str, np.ndarray]) -> list[bytes]:
    """The texts that `pack` was given."""
    ends = np.cumsum(asked["lengths"])
    whole = asked["bytes"].tobytes()
    return [whole[end - size : end] for end, size in zip(ends, asked["lengths"], strict=True)]
