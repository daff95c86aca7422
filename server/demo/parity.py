"""Proof that the three exports of the digits network are one model: their answers agree."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from server.demo.errors import DemoError

TOLERANCE = 1e-5
BATCH_SIZES = (1, 3, 16)

Answers = list[NDArray[np.float32]]


def batches_of(images: NDArray[np.float32]) -> list[NDArray[np.float32]]:
    """All images at once, and all of them again in batches of each size (the last is smaller)."""
    batches = [images]
    for size in BATCH_SIZES:
        batches += [images[start : start + size] for start in range(0, len(images), size)]
    return batches


def differences(reference: Answers, answers: Mapping[str, Answers]) -> dict[str, float]:
    """Each model's largest distance from the reference, over all batches."""
    found: dict[str, float] = {}
    for model, got in answers.items():
        for expected, actual in zip(reference, got, strict=True):
            if expected.shape != actual.shape or expected.dtype != actual.dtype:
                raise DemoError(
                    f"{model} answered {actual.dtype} {actual.shape} "
                    f"instead of {expected.dtype} {expected.shape}. This is a bug."
                )
        pairs = zip(reference, got, strict=True)
        # numpy's max, not Python's: a NaN among the answers has to come out as NaN.
        found[model] = float(np.max([np.abs(want - have).max() for want, have in pairs]))
    return found


def largest_spread(answers: Mapping[str, Answers]) -> float:
    """Largest distance between any two models on any one number."""
    same_batches = zip(*answers.values(), strict=True)
    return float(np.max([np.ptp(np.stack(batch), axis=0).max() for batch in same_batches]))


def check(spread: float) -> None:
    """Raise DemoError if the exports disagree by more than the tolerance (NaN disagrees too)."""
    if not spread <= TOLERANCE:
        raise DemoError(
            f"the three exports of the digits network disagree by {spread:.2e}; "
            f"at most {TOLERANCE:.0e} is allowed. This is a bug."
        )
