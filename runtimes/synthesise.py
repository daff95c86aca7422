"""Inputs made up for a warm-up where nobody recorded any: right in form, without meaning."""

from __future__ import annotations

import random
import struct
from itertools import cycle, islice

from runtimes.contract.messages import WarmupSample
from runtimes.contract.tensor import (
    DYNAMIC,
    ITEM_SIZE,
    Datatype,
    Signature,
    Tensor,
    TensorSpec,
    byte_size,
    element_count,
    pack_bytes,
)
from runtimes.probe import MAX_BYTES

_FLOATS = {Datatype.FP16: "<e", Datatype.BF16: "<f", Datatype.FP32: "<f", Datatype.FP64: "<d"}
_BLOCK = 1021  # distinct values of a float tensor; prime, so that rows differ


def synthesised(signature: Signature) -> tuple[Tensor, ...] | None:
    """One row for every input of `signature`, other dimensions of any size being 1 too.

    Floats are random in [0, 1), since zeros make too many models take short cuts; integers are 0,
    which is in range for any table; BYTES are empty. None where the row is above MAX_BYTES.
    """
    shapes = {
        spec.name: tuple(1 if dim == DYNAMIC else dim for dim in spec.shape)
        for spec in signature.inputs
    }
    size = sum(
        element_count(shapes[spec.name]) * ITEM_SIZE.get(spec.datatype, 4)
        for spec in signature.inputs
    )
    if size > MAX_BYTES:
        return None
    return tuple(
        Tensor(
            spec.name,
            spec.datatype,
            shapes[spec.name],
            _content(spec, shapes[spec.name], "random" if spec.datatype in _FLOATS else "zero"),
        )
        for spec in signature.inputs
    )


def declared(sample: WarmupSample) -> tuple[Tensor, ...]:
    """The request that `sample` describes, filled with zeros or at random as it says."""
    return tuple(
        Tensor(spec.name, spec.datatype, spec.shape, _content(spec, spec.shape, sample.fill))
        for spec in sample.inputs
    )


def _content(spec: TensorSpec, shape: tuple[int, ...], fill: str) -> bytes:
    size = byte_size(spec.datatype, shape)
    if size is None:
        return pack_bytes([b""] * element_count(shape))
    # Seeded, so that a warm-up that fails once fails the same way again.
    generator = random.Random(spec.name)  # noqa: S311  # data, not secrets
    if fill == "zero" or spec.datatype is Datatype.BOOL:  # random bytes are no valid booleans
        return bytes(size)
    if spec.datatype not in _FLOATS:
        return generator.randbytes(size)
    packed = [struct.pack(_FLOATS[spec.datatype], generator.random()) for _ in range(_BLOCK)]
    if spec.datatype is Datatype.BF16:
        packed = [value[2:] for value in packed]  # the upper half of an FP32
    return b"".join(islice(cycle(packed), element_count(shape)))
