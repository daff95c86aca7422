"""Tensors of the contract to numpy arrays and back, without a copy wherever that is possible.

BF16, which numpy does not know, is held as its bits in uint16; BYTES as an object array of bytes.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from runtimes.contract.tensor import Buffer, Datatype, Tensor, pack_bytes, unpack_bytes
from runtimes.runtime import ModelError

Array = npt.NDArray[np.generic]

NUMPY: dict[Datatype, np.dtype[np.generic]] = {
    Datatype.BOOL: np.dtype("?"),
    Datatype.UINT8: np.dtype("u1"),
    Datatype.UINT16: np.dtype("<u2"),
    Datatype.UINT32: np.dtype("<u4"),
    Datatype.UINT64: np.dtype("<u8"),
    Datatype.INT8: np.dtype("i1"),
    Datatype.INT16: np.dtype("<i2"),
    Datatype.INT32: np.dtype("<i4"),
    Datatype.INT64: np.dtype("<i8"),
    Datatype.FP16: np.dtype("<f2"),
    Datatype.BF16: np.dtype("<u2"),
    Datatype.FP32: np.dtype("<f4"),
    Datatype.FP64: np.dtype("<f8"),
    Datatype.BYTES: np.dtype("O"),
}


class DatatypeMismatch(ModelError):
    """A model produced another datatype than its signature says."""


def to_array(tensor: Tensor) -> Array:
    """`tensor` as an array of its shape, sharing its buffer (BOOL and BYTES are copied)."""
    if tensor.datatype is Datatype.BYTES:
        array = np.empty(math.prod(tensor.shape), dtype=object)
        array[:] = unpack_bytes(tensor.data)
        return array.reshape(tensor.shape)
    if math.prod(tensor.shape) == 0:
        return np.empty(tensor.shape, NUMPY[tensor.datatype])
    if tensor.datatype is Datatype.BOOL:
        # Any byte but 0 is true; frameworks expect exactly 1 and misbehave on others.
        return np.frombuffer(tensor.data, np.uint8).astype(np.bool_).reshape(tensor.shape)
    return np.frombuffer(tensor.data, NUMPY[tensor.datatype]).reshape(tensor.shape)


ALIGNMENT = 64
"""Bytes; where vector instructions, and TensorFlow, want an array to begin."""


def aligned(array: Array) -> Array:
    """`array`, or a copy of it, in writable memory that begins at a multiple of ALIGNMENT."""
    if array.flags.writeable and array.__array_interface__["data"][0] % ALIGNMENT == 0:
        return array
    memory = np.empty(array.nbytes + ALIGNMENT, np.uint8)
    start = -memory.__array_interface__["data"][0] % ALIGNMENT
    copy = memory[start : start + array.nbytes].view(array.dtype).reshape(array.shape)
    copy[...] = array
    return copy


def to_tensor(name: str, datatype: Datatype, array: Array) -> Tensor:
    """`array` as a tensor that shares its memory where it is contiguous.

    Raises DatatypeMismatch when the array does not hold `datatype`.
    """
    if datatype is Datatype.BYTES:
        return Tensor(name, datatype, array.shape, _packed(name, array))
    expected = NUMPY[datatype]
    if datatype is Datatype.BF16 and array.dtype.name == "bfloat16":
        array = array.view(np.uint16)
    if array.dtype.newbyteorder("<") != expected:
        raise DatatypeMismatch(
            f"output '{name}' came as {array.dtype.name}, but the signature says {datatype}"
        )
    return Tensor(name, datatype, array.shape, _raw(array.astype(expected, copy=False)))


def _raw(array: Array) -> Buffer:
    if array.size == 0:
        return b""
    return np.ascontiguousarray(array).reshape(-1).view(np.uint8).data


def _packed(name: str, array: Array) -> bytes:
    elements: list[bytes] = []
    for element in array.reshape(-1).tolist():
        if isinstance(element, str):
            elements.append(element.encode())
        elif isinstance(element, bytes):
            elements.append(element)
        else:
            raise DatatypeMismatch(
                f"output '{name}' came as {array.dtype.name}, but the signature says BYTES"
            )
    return pack_bytes(elements)
