"""A tensor's buffer seen as a numpy array, without a copy where the buffer allows it."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from runtimes.contract.tensor import Datatype, Tensor

DTYPES: Mapping[Datatype, np.dtype[np.generic]] = {
    Datatype.BOOL: np.dtype(np.bool_),
    Datatype.UINT8: np.dtype(np.uint8),
    Datatype.UINT16: np.dtype("<u2"),
    Datatype.UINT32: np.dtype("<u4"),
    Datatype.UINT64: np.dtype("<u8"),
    Datatype.INT8: np.dtype(np.int8),
    Datatype.INT16: np.dtype("<i2"),
    Datatype.INT32: np.dtype("<i4"),
    Datatype.INT64: np.dtype("<i8"),
    Datatype.FP16: np.dtype("<f2"),
    Datatype.FP32: np.dtype("<f4"),
    Datatype.FP64: np.dtype("<f8"),
}
"""numpy's dtype of each datatype it has; BF16 and BYTES are absent."""


def numeric_array(tensor: Tensor) -> NDArray[np.generic]:
    """The elements of a tensor of numbers, flat and aligned; BF16 is widened to float32."""
    if tensor.datatype is Datatype.BOOL:
        # Any byte but 0 is true; numpy's own bool type is only defined for 0 and 1.
        truths: NDArray[np.generic] = np.frombuffer(tensor.data, np.uint8) != 0
        return truths
    if tensor.datatype is Datatype.BF16:
        halves = np.frombuffer(tensor.data, "<u2").astype(np.uint32)
        return (halves << 16).view(np.float32)
    values: NDArray[np.generic] = np.frombuffer(tensor.data, DTYPES[tensor.datatype])
    return values if values.flags.aligned else values.copy()
