"""When a server may be sent traffic; pure, and the same in the gateway and in every frontend."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Standing:
    """One model that is to be served: whether its settings require it, and whether it answers."""

    name: str
    required: bool
    answers: bool


def is_ready(models: Iterable[Standing], named: Collection[str], started: bool) -> bool:
    """Whether enough of `models` can answer.

    Of required models, those `named` when the server was started and those whose settings say so,
    every one must. Where none is required, one that can answer is enough, and so is having none.

    `started` is whether all that was found at the start was given its chance. Models that are
    `named` need not wait for the others; those known by their settings may not all be known yet.
    """
    known = tuple(models)
    required = {*named, *(model.name for model in known if model.required)}
    answering = {model.name for model in known if model.answers}
    if required:
        return (started or bool(named)) and required <= answering
    return started and (bool(answering) or not known)
