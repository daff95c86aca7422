"""Tensors to and from the `data` field of the protocol's JSON."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from runtimes.contract.tensor import (
    Datatype,
    Tensor,
    element_count,
    pack_bytes,
    unpack_bytes,
)
from server.errors import InvalidArgument
from server.frontends.nested import flatten
from server.frontends.open_inference.arrays import DTYPES, numeric_array
from server.inference import is_binary_only

_WORDS: dict[type, str] = {
    bool: "true or false",
    int: "an integer",
    float: "a number with a fraction or beyond 64 bits",
    str: "a string",
    list: "a list",
    dict: "an object",
    type(None): "null",
}
_FLOATS = frozenset({Datatype.FP32, Datatype.FP64})


def decode_data(name: str, datatype: Datatype, shape: tuple[int, ...], data: object) -> bytes:
    """The buffer of input `name` from its `data`: flat or nested, row-major.

    Raises InvalidArgument for an element of the wrong kind or out of range, a ragged nesting, or a
    number of elements other than `shape` has.
    """
    if is_binary_only(datatype):
        raise InvalidArgument(
            f"receiving {datatype} data via JSON is not supported. Please use the binary data "
            f"format for input '{name}'"
        )
    flat = _flat(name, shape, data)
    if len(flat) != element_count(shape):
        raise InvalidArgument(
            f"input '{name}' has {len(flat)} elements, expected {element_count(shape)} for shape "
            f"{list(shape)}"
        )
    if datatype is Datatype.BYTES:
        _expect(name, datatype, flat, (str,), "strings")
        return pack_bytes(str(text).encode() for text in flat)
    if datatype is Datatype.BOOL:
        _expect(name, datatype, flat, (bool,), "true or false")
        return np.array(flat, np.bool_).tobytes()
    if datatype in _FLOATS:
        _expect(name, datatype, flat, (float, int), "numbers")
        return _floats(name, datatype, flat)
    _expect(name, datatype, flat, (int,), "integers")
    return _integers(name, datatype, flat)


def encode_data(tensor: Tensor) -> object:
    """`tensor` as a flat list that orjson can write: an array for numbers, strings for BYTES.

    NaN and infinity become null, which is all JSON has for them. Raises InvalidArgument for what
    only the binary form can carry.
    """
    if is_binary_only(tensor.datatype):
        raise InvalidArgument(
            f"sending {tensor.datatype} data via JSON is not supported. Please use the binary "
            f"data format for output '{tensor.name}'"
        )
    if tensor.datatype is not Datatype.BYTES:
        return numeric_array(tensor)
    try:
        return [element.decode() for element in unpack_bytes(tensor.data)]
    except UnicodeDecodeError:
        raise InvalidArgument(
            f"output '{tensor.name}' holds bytes that are not UTF-8, which JSON cannot carry; "
            "request it with binary_data set to true"
        ) from None


def _flat(name: str, shape: tuple[int, ...], data: object) -> Sequence[object]:
    if not isinstance(data, list):
        if shape == () and not isinstance(data, dict):
            return [data]
        raise InvalidArgument(f"input '{name}': 'data' must be a list")
    dims, level = flatten(f"input '{name}': 'data'", data)
    if len(dims) > 1 and len(dims) == len(shape) and tuple(dims) != shape:
        # Nested to the full rank, so its dimensions are told twice: a transposed array must not
        # pass because its number of elements happens to fit.
        raise InvalidArgument(f"input '{name}': 'data' is nested as {dims}, expected {list(shape)}")
    return level


def _expect(
    name: str, datatype: Datatype, flat: Sequence[object], kinds: tuple[type, ...], words: str
) -> None:
    if wrong := set(map(type, flat)).difference(kinds):
        found = ", ".join(sorted(_WORDS.get(kind, kind.__name__) for kind in wrong))
        raise InvalidArgument(f"input '{name}' of {datatype} must hold {words}, got {found}")


def _integers(name: str, datatype: Datatype, flat: Sequence[object]) -> bytes:
    dtype = DTYPES[datatype]
    limits = np.iinfo(dtype.name)
    low, high = int(limits.min), int(limits.max)
    # Older numpy wraps values into narrow types without a word, so the range is checked in 64 bits.
    wide = np.uint64 if datatype is Datatype.UINT64 else np.int64
    try:
        values = np.array(flat, wide)
        fits = not flat or (low <= int(values.min()) and int(values.max()) <= high)
        if wide is np.uint64:
            fits = fits and not any(isinstance(v, int) and v < 0 for v in flat)
    except OverflowError:
        fits = False
    if not fits:
        outside = next(v for v in flat if isinstance(v, int) and not low <= v <= high)
        raise InvalidArgument(
            f"input '{name}' holds {outside}, which {datatype} cannot: expected {low} to {high}"
        )
    return values.astype(dtype, copy=False).tobytes()


def _floats(name: str, datatype: Datatype, flat: Sequence[object]) -> bytes:
    try:
        with np.errstate(over="ignore"):
            values = np.array(flat, DTYPES[datatype])
    except OverflowError:  # an integer beyond any float
        raise InvalidArgument(
            f"input '{name}' holds an integer, which is beyond {datatype}"
        ) from None
    if not np.isfinite(values).all():
        outside = flat[int(np.argmin(np.isfinite(values)))]
        raise InvalidArgument(f"input '{name}' holds {outside}, which is beyond {datatype}")
    return values.tobytes()
