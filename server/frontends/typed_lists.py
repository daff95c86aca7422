"""A protobuf message's typed list of values as a tensor's buffer."""

from __future__ import annotations

import sys
from array import array
from collections.abc import Iterable, Mapping

from runtimes.contract.tensor import Datatype, pack_bytes
from server.errors import InvalidArgument

_TYPECODES: Mapping[Datatype, str] = {
    Datatype.INT8: "b",
    Datatype.INT16: "h",
    Datatype.INT32: "i",
    Datatype.INT64: "q",
    Datatype.UINT8: "B",
    Datatype.UINT16: "H",
    Datatype.UINT32: "I",
    Datatype.UINT64: "Q",
    Datatype.FP16: "H",
    Datatype.BF16: "H",
    Datatype.FP32: "f",
    Datatype.FP64: "d",
}
"""Floats of 16 bits come as the integers of their bits."""


def pack_list(
    name: str, field: str, datatype: Datatype, values: Iterable[float] | Iterable[bytes]
) -> bytes:
    """Little-endian bytes of the elements of input `name` in `field`, strings behind their lengths.

    Raises InvalidArgument for a value out of range.
    """
    if datatype is Datatype.BYTES:
        return pack_bytes(values)  # type: ignore[arg-type]
    if datatype is Datatype.BOOL:
        return bytes(values)  # type: ignore[arg-type]
    try:
        packed: array[float] = array(_TYPECODES[datatype], values)  # type: ignore[arg-type]
    except OverflowError:
        raise InvalidArgument(
            f"input '{name}' has a value in {field} that is out of range for {datatype}"
        ) from None
    if sys.byteorder == "big":
        packed.byteswap()
    return packed.tobytes()
