"""Datatypes, tensors and signatures: what a request carries, in words every process shares.

A tensor is a buffer with a name, a datatype and a shape. Numbers are little endian and row-major;
BYTES elements each carry a 4-byte little-endian length before their bytes, exactly as the Open
Inference Protocol's binary representation has them, so that no side ever re-encodes.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from runtimes.contract.record import record

Buffer = bytes | bytearray | memoryview

MAX_RANK = 16
MAX_ELEMENTS = 2**40
DYNAMIC = -1

_LENGTH = struct.Struct("<I")


class Datatype(StrEnum):
    """The Open Inference Protocol's datatypes, BF16 included."""

    BOOL = "BOOL"
    UINT8 = "UINT8"
    UINT16 = "UINT16"
    UINT32 = "UINT32"
    UINT64 = "UINT64"
    INT8 = "INT8"
    INT16 = "INT16"
    INT32 = "INT32"
    INT64 = "INT64"
    FP16 = "FP16"
    BF16 = "BF16"
    FP32 = "FP32"
    FP64 = "FP64"
    BYTES = "BYTES"

    # Enum has one written in Python, and datatypes are looked up in tables for every tensor.
    __hash__ = str.__hash__


ITEM_SIZE: dict[Datatype, int] = {
    Datatype.BOOL: 1,
    Datatype.UINT8: 1,
    Datatype.UINT16: 2,
    Datatype.UINT32: 4,
    Datatype.UINT64: 8,
    Datatype.INT8: 1,
    Datatype.INT16: 2,
    Datatype.INT32: 4,
    Datatype.INT64: 8,
    Datatype.FP16: 2,
    Datatype.BF16: 2,
    Datatype.FP32: 4,
    Datatype.FP64: 8,
}
"""Bytes per element; BYTES is absent because its elements vary."""


@record
class Tensor:
    """One named tensor; `data` is the raw little-endian, row-major buffer."""

    name: str
    datatype: Datatype
    shape: tuple[int, ...]
    data: Buffer


@dataclass(frozen=True, slots=True)
class TensorSpec:
    """What a model says of one input or output; -1 in `shape` means any size."""

    name: str
    datatype: Datatype
    shape: tuple[int, ...]
    optional: bool = False


@dataclass(frozen=True, slots=True)
class Signature:
    """A model's inputs and outputs, in the model's own order, batch dimension included."""

    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]


SERVING_DEFAULT = "serving_default"
"""The name of a model's only signature, and of the default one of a SavedModel."""

PREDICT = "tensorflow/serving/predict"
"""The method name of a signature that takes and gives any tensors."""


@dataclass(frozen=True, slots=True)
class NamedSignature:
    """One way to call a model; `max_batch_size` is 0 where it has no batch dimension.

    `method_name` is TensorFlow's word for what it is for: predict, classify or regress.
    """

    signature: Signature
    max_batch_size: int = 0
    name: str = SERVING_DEFAULT
    method_name: str = PREDICT


def element_count(shape: Sequence[int]) -> int:
    """Number of elements in a concrete `shape`; 1 for a scalar's empty shape."""
    return math.prod(shape)


def byte_size(datatype: Datatype, shape: Sequence[int]) -> int | None:
    """Exact bytes of a tensor, or None for BYTES, whose size the shape does not tell."""
    if datatype is Datatype.BYTES:
        return None
    return ITEM_SIZE[datatype] * element_count(shape)


def pack_bytes(elements: Iterable[bytes]) -> bytes:
    """Join BYTES elements, each behind its 4-byte length."""
    parts: list[bytes] = []
    for element in elements:
        parts.append(_LENGTH.pack(len(element)))
        parts.append(element)
    return b"".join(parts)


def bytes_spans(data: Buffer) -> Iterator[tuple[int, int]]:
    """Yield (start, end) of each BYTES element's content.

    Raises ValueError where a length runs past the end of `data`.
    """
    offset, total = 0, len(data)
    while offset < total:
        if offset + 4 > total:
            raise ValueError(f"{total - offset} stray bytes follow the last BYTES element")
        (length,) = _LENGTH.unpack_from(data, offset)
        start = offset + 4
        offset = start + length
        if offset > total:
            raise ValueError(
                f"a BYTES element says it has {length} bytes but only {total - start} follow"
            )
        yield start, offset


def unpack_bytes(data: Buffer) -> list[bytes]:
    """Split a BYTES buffer into its elements; raises ValueError as `bytes_spans` does."""
    view = memoryview(data)
    return [bytes(view[start:end]) for start, end in bytes_spans(data)]
