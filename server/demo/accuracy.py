"""How good a model has to be before it is written."""

from __future__ import annotations

from collections.abc import Sequence

from server.demo.errors import DemoError

REQUIRED = {"digits": 0.97, "language": 0.90}


def checked(model: str, expected: Sequence[int], answered: Sequence[int]) -> float:
    """Share of right answers on data the model has not seen; DemoError below what is required."""
    right = sum(want == have for want, have in zip(expected, answered, strict=True))
    accuracy = right / len(expected)
    if accuracy < REQUIRED[model]:
        raise DemoError(
            f"the {model} model got only {accuracy:.1%} of {len(expected)} unseen examples right; "
            f"{REQUIRED[model]:.0%} is required. This is a bug."
        )
    return accuracy
