"""The handwritten digits that scikit-learn ships, split once and for all into train and test."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

LARGEST_PIXEL = 16.0
TEST_SHARE = 0.25
SPLIT_SEED = 8


@dataclass(frozen=True, slots=True)
class DigitsData:
    """Images are FP32 [n, 1, 8, 8] with pixels in 0..1; labels are int64 [n] in 0..9."""

    train_images: NDArray[np.float32]
    train_labels: NDArray[np.int64]
    test_images: NDArray[np.float32]
    test_labels: NDArray[np.int64]


def load() -> DigitsData:
    """Read the 1797 images (no download: they come with scikit-learn) and split them 75/25."""
    digits = load_digits()
    images = (digits.images / LARGEST_PIXEL).astype(np.float32).reshape(-1, 1, 8, 8)
    labels = digits.target.astype(np.int64)
    train_images, test_images, train_labels, test_labels = train_test_split(
        images, labels, test_size=TEST_SHARE, random_state=SPLIT_SEED, stratify=labels
    )
    return DigitsData(train_images, train_labels, test_images, test_labels)
