"""One question for a model: its inputs as arrays, and a check of what comes back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from runtimes.contract.tensor import Datatype, Tensor, pack_bytes, unpack_bytes

Array = NDArray[Any]
Answers = Mapping[str, Array]
"""Outputs by name; BYTES are arrays of `bytes` objects."""

Check = Callable[[Answers], str]
"""Says what is wrong with an answer; nothing where it is plausible."""

DTYPES: dict[Datatype, str] = {
    Datatype.BOOL: "?", Datatype.UINT8: "u1", Datatype.UINT16: "<u2", Datatype.UINT32: "<u4",
    Datatype.UINT64: "<u8", Datatype.INT8: "i1", Datatype.INT16: "<i2", Datatype.INT32: "<i4",
    Datatype.INT64: "<i8", Datatype.FP16: "<f2", Datatype.FP32: "<f4", Datatype.FP64: "<f8",
    Datatype.BF16: "<u2",  # the bits: numpy has no such numbers
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Input:
    """One input tensor; the elements of a BYTES array are `bytes`."""

    name: str
    datatype: Datatype
    array: Array

    @property
    def data(self) -> bytes:
        """As the Open Inference Protocol's raw buffer."""
        if self.datatype is Datatype.BYTES:
            return pack_bytes(self.array.ravel().tolist())
        return np.ascontiguousarray(self.array, DTYPES[self.datatype]).tobytes()

    @property
    def values(self) -> list[Any]:
        """As nested lists for JSON, BYTES as text."""
        array = self.array
        if self.datatype is Datatype.BYTES:
            texts = [element.decode() for element in array.ravel().tolist()]
            array = np.array(texts, object).reshape(array.shape)
        values: list[Any] = array.tolist()
        return values


@dataclass(frozen=True, slots=True)
class Sample:
    """Inputs, and `check` for the answer."""

    inputs: tuple[Input, ...]
    check: Check


def array_of(tensor: Tensor) -> Array:
    """An answer's tensor as an array; raises ValueError where bytes and shape differ."""
    if tensor.datatype is Datatype.BYTES:
        return np.array([*unpack_bytes(tensor.data), None], object)[:-1].reshape(tensor.shape)
    return np.frombuffer(tensor.data, DTYPES[tensor.datatype]).reshape(tensor.shape)
