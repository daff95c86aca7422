"""Do candidates give the same answers? Differences per output, and whether they pass (pure)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from loadtests.compare.spec import Parity
from loadtests.samples.sample import Answers, Array


@dataclass(frozen=True, slots=True)
class OutputParity:
    """How one output differs from the reference's over the whole golden set.

    `max_abs` and `max_rel` (over |reference|, where that is above atol) are None for texts and
    where shapes differ, `top1` (share of rows whose largest element is at the same place) where
    there are no classes to choose from. `epsilons` is `max_abs` in units of the last place of the
    output's largest number. `equal` is the share of elements that are the same to the bit.
    """

    output: str
    passed: bool
    equal: float
    max_abs: float | None = None
    max_rel: float | None = None
    top1: float | None = None
    epsilons: float | None = None
    problem: str = ""


def parity(
    answers: Sequence[Answers], reference: Sequence[Answers], rule: Parity
) -> list[OutputParity]:
    """Hold one candidate's answers to the golden set against the reference's, output by output."""
    names = list(dict.fromkeys(name for answer in reference for name in answer))
    found = []
    for name in names:
        have = [answer.get(name) for answer in answers]
        want = [answer[name] for answer in reference]
        found.append(_output(name, have, want, rule))
    return found


def _output(
    name: str, have: Sequence[Array | None], want: Sequence[Array], rule: Parity
) -> OutputParity:
    got: list[Array] = []
    for mine, theirs in zip(have, want, strict=True):
        if mine is None:
            return OutputParity(name, False, 0.0, problem="it is missing")
        if mine.shape != theirs.shape:
            problem = f"its shape is {list(mine.shape)}, expected {list(theirs.shape)}"
            return OutputParity(name, False, 0.0, problem=problem)
        got.append(mine)
    if any(array.dtype.kind not in "biuf" for array in (*got, *want)):
        return _exact(name, got, want)
    return _numbers(name, got, want, rule)


def _exact(name: str, got: Sequence[Array], want: Sequence[Array]) -> OutputParity:
    same = np.concatenate(
        [np.asarray(mine == theirs, bool).ravel() for mine, theirs in zip(got, want, strict=True)]
    )
    return OutputParity(name, bool(same.all()), float(same.mean()) if same.size else 1.0)


def _numbers(name: str, got: Sequence[Array], want: Sequence[Array], rule: Parity) -> OutputParity:
    mine = np.concatenate([array.ravel().astype(np.float64) for array in got])
    theirs = np.concatenate([array.ravel().astype(np.float64) for array in want])
    with np.errstate(invalid="ignore"):
        same = (mine == theirs) | (np.isnan(mine) & np.isnan(theirs))
        off = np.where(same, 0.0, np.abs(mine - theirs))
        near = same | (off <= rule.atol + rule.rtol * np.abs(theirs))
        large = np.isfinite(theirs) & (np.abs(theirs) > rule.atol)
    if not np.isfinite(off).all():
        return OutputParity(
            name, False, float(same.mean()), top1=_top1(got, want),
            problem="numbers that are not finite where the reference's are, or the other way round",
        )  # fmt: skip
    top1 = _top1(got, want)
    largest = float(off.max()) if off.size else 0.0
    passed = bool(near.all()) and (top1 is None or top1 >= rule.top1)
    return OutputParity(
        name,
        passed,
        float(same.mean()) if same.size else 1.0,
        largest,
        float((off[large] / np.abs(theirs[large])).max()) if large.any() else 0.0,
        top1,
        _epsilons(largest, want, theirs),
    )


def _epsilons(largest: float, want: Sequence[Array], theirs: Array) -> float | None:
    dtype = want[0].dtype
    finite = np.abs(theirs[np.isfinite(theirs)])
    scale = float(finite.max()) if finite.size else 0.0
    if dtype.kind != "f" or scale == 0:
        return None
    return largest / (float(np.finfo(dtype).eps) * scale)


def _top1(got: Sequence[Array], want: Sequence[Array]) -> float | None:
    """Rows whose largest of several elements is at the same place; None where there are no rows."""
    rows = [
        (mine.argmax(axis=-1) == theirs.argmax(axis=-1)).ravel()
        for mine, theirs in zip(got, want, strict=True)
        if theirs.ndim >= 2 and theirs.shape[-1] > 1 and theirs.dtype.kind == "f" and theirs.size
    ]
    return float(np.concatenate(rows).mean()) if rows else None
