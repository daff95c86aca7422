"""protobuf's variable-length integers: one read from a message, many written at once.

Source: the encoding page of protobuf's documentation. Seven bits to a byte, the lowest first; the
highest bit of a byte says that more follow. A negative number is written as 64 bits.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from runtimes.contract.tensor import Buffer
from server.errors import InvalidArgument

_MAX_BYTES = 10


def read_varint(data: Buffer, at: int) -> tuple[int, int]:
    """The number that begins at `at`, and where it ends; raises InvalidArgument if it does not."""
    value = 0
    for shift, byte in enumerate(data[at : at + _MAX_BYTES]):
        value |= (byte & 0x7F) << 7 * shift
        if byte < 0x80:
            return value, at + shift + 1
    raise InvalidArgument("the message has a number that does not end")


def packed_varints(values: NDArray[np.generic]) -> bytes:
    """Integers (or bools), flat, as the content of a packed field."""
    if values.dtype.kind == "i":
        wide = values.astype(np.int64).view(np.uint64)
    else:
        wide = values.astype(np.uint64)
    if not wide.size or wide.max() < 0x80:
        return wide.astype(np.uint8).tobytes()
    sizes = np.ones(wide.shape, np.intp)
    for bits in range(7, 7 * _MAX_BYTES, 7):
        sizes += wide >= np.uint64(2**bits)
    ends = np.cumsum(sizes)
    written = np.empty(ends[-1], np.uint8)
    starts = ends - sizes
    for position in range(int(sizes.max())):
        there = sizes > position
        more = np.where(sizes[there] > position + 1, 0x80, 0).astype(np.uint8)
        bits_here = (wide[there] >> np.uint64(7 * position)).astype(np.uint8) & 0x7F
        written[starts[there] + position] = bits_here | more
    return written.tobytes()
