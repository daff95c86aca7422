"""Samples for a model of which only the signature is known: right in form, and checked for form."""

from __future__ import annotations

import numpy as np

from loadtests.samples.sample import DTYPES, Answers, Array, Check, Input, Sample
from runtimes.contract.tensor import DYNAMIC, Datatype, Signature, TensorSpec

COUNT = 8
OTHER_SIZE = 16
"""For dimensions of any size that are not the first one."""

TOKENS = 100
"""Token ids are below this: in every vocabulary."""

FLOATS = (Datatype.FP16, Datatype.FP32, Datatype.FP64)
PICTURE_CHANNELS = (1, 3)


def made_up(signature: Signature, rows: int) -> list[Sample]:
    """Questions with `rows` along every first dimension of any size, the same on every call."""
    random = np.random.default_rng(1797)
    check = has_form(signature, rows)
    return [
        Sample(tuple(_input(spec, rows, random) for spec in signature.inputs), check)
        for _ in range(COUNT)
    ]


def _input(spec: TensorSpec, rows: int, random: np.random.Generator) -> Input:
    shape = tuple(
        size if size != DYNAMIC else rows if axis == 0 else OTHER_SIZE
        for axis, size in enumerate(spec.shape)
    )
    return Input(spec.name, spec.datatype, _content(spec, shape, random))


def _content(spec: TensorSpec, shape: tuple[int, ...], random: np.random.Generator) -> Array:
    if spec.datatype is Datatype.BYTES:
        return np.full(shape, b"a few plain words", object)
    if spec.datatype is Datatype.BF16:  # the upper halves of FP32 numbers
        return (random.random(shape, np.float32).view(np.uint32) >> 16).astype("<u2")
    dtype = DTYPES[spec.datatype]
    if spec.datatype in FLOATS:
        if len(shape) == 4 and shape[1] in PICTURE_CHANNELS:
            return _picture(shape, random).astype(dtype)
        return random.random(shape).astype(dtype)
    if "mask" in spec.name:
        return np.ones(shape, dtype)
    if spec.name.endswith("ids") and "type" not in spec.name:
        return random.integers(0, TOKENS, shape).astype(dtype)
    return random.integers(0, 2, shape).astype(dtype)


def _picture(shape: tuple[int, ...], random: np.random.Generator) -> Array:
    """[n, channels, h, w] in 0..1: soft gradients and some noise, more like a photo than noise."""
    count, channels, height, width = shape
    down = np.linspace(0, 1, height)[:, None] * random.random((count, channels, 1, 1))
    across = np.linspace(0, 1, width)[None, :] * random.random((count, channels, 1, 1))
    noise = 0.1 * random.random(shape)
    return np.clip((down + across) / 2 + noise, 0, 1)


def has_form(signature: Signature, rows: int) -> Check:
    """Every output is there with its rank, fixed sizes and rows, and its numbers are finite."""

    def check(answers: Answers) -> str:
        for spec in signature.outputs:
            found = answers.get(spec.name)
            if found is None:
                return f"output {spec.name} is missing"
            if not _fits(found.shape, spec.shape, rows):
                wanted = [rows if axis == 0 and d == DYNAMIC else d for axis, d in
                          enumerate(spec.shape)]  # fmt: skip
                return f"output {spec.name}: expected shape {wanted}, got {list(found.shape)}"
            if found.dtype.kind == "f" and not np.isfinite(found).all():
                return f"output {spec.name} holds numbers that are not finite"
        return ""

    return check


def _fits(found: tuple[int, ...], spec: tuple[int, ...], rows: int) -> bool:
    return len(found) == len(spec) and all(
        have == size or (size == DYNAMIC and (axis > 0 or have == rows))
        for axis, (have, size) in enumerate(zip(found, spec, strict=True))
    )
