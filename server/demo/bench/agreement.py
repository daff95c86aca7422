"""Proof that the formats of one architecture are one model: how far their answers are apart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from server.demo.bench.architecture import Port
from server.demo.errors import DemoError

TOLERANCE = 1e-4
"""Of the largest number in the answers: FP32 sums in other orders, through dozens of layers."""

Answers = Sequence[NDArray[np.float32]]


@dataclass(frozen=True, slots=True)
class Agreement:
    """`difference` is the largest between any two formats, `largest` the largest number."""

    difference: float
    largest: float

    @property
    def relative(self) -> float:
        """The difference as a share of the largest number."""
        return self.difference / self.largest


def compare(name: str, output: Port, answers: Mapping[str, Answers]) -> Agreement:
    """Raises DemoError where shapes differ or numbers do by more than TOLERANCE (NaN does)."""
    for kind, batches in answers.items():
        for batch in batches:
            if batch.shape[1:] != output.shape[1:] or batch.dtype != np.float32:
                raise DemoError(
                    f"{name}-{kind} answered {batch.dtype} {batch.shape}, not "
                    f"{output.datatype} {output.shape}. This is a bug."
                )
    same = [np.stack(batch) for batch in zip(*answers.values(), strict=True)]
    found = Agreement(
        float(np.max([np.ptp(batch, axis=0).max() for batch in same])),
        float(np.max([np.abs(batch).max() for batch in same])),
    )
    if not found.relative <= TOLERANCE:
        raise DemoError(
            f"the formats of {name} disagree by {found.relative:.1e} of their largest number; at "
            f"most {TOLERANCE:.0e} is allowed. This is a bug."
        )
    return found
