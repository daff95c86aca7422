"""A model's outputs as the JSON of an answer to predict: `predictions` by rows, or `outputs`.

As TensorFlow Serving writes it (util/json_tensor.cc): whole floats keep their `.0`, NaN and
infinity are tokens that JSON has not, and strings in an output whose name ends with `_bytes` are in
base64.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Sequence

import numpy as np
import orjson
from numpy.typing import NDArray

from runtimes.contract.tensor import Datatype, Tensor, unpack_bytes
from server.errors import InvalidArgument, Unsupported
from server.frontends.open_inference.arrays import numeric_array
from server.inference import is_binary_only

_BYTES_SUFFIX = "_bytes"
_OPTIONS = orjson.OPT_SERIALIZE_NUMPY


def encode_predictions(outputs: Sequence[Tensor], *, rows: bool) -> bytes:
    """The body of the answer, in the form the request had.

    Raises InvalidArgument where outputs have no rows in common, Unsupported for a datatype that
    JSON cannot carry.
    """
    if rows:
        _check_rows(outputs)
    values = {tensor.name: _values(tensor) for tensor in outputs}
    answer: object
    if len(values) == 1:
        (answer,) = values.values()
    elif rows:
        columns = [map(_writable, column) for column in values.values()]
        answer = [dict(zip(values, row, strict=True)) for row in zip(*columns, strict=True)]
    else:
        answer = {name: _writable(value) for name, value in values.items()}
    key = "predictions" if rows else "outputs"
    return orjson.dumps({key: _writable(answer)}, option=_OPTIONS)


def numbers(values: Sequence[float]) -> list[orjson.Fragment]:
    """Floats of 32 bits as JSON, each by itself."""
    texts = _text(np.array(values, np.float32))[1:-1]
    return [orjson.Fragment(text) for text in texts.split(b",")] if texts else []


def _check_rows(outputs: Sequence[Tensor]) -> None:
    size: int | None = None
    for tensor in outputs:
        if not tensor.shape:
            raise InvalidArgument(
                f"Tensor name: {tensor.name} has no shape information. Ask with 'inputs' in place "
                "of 'instances'"
            )
        if size is not None and tensor.shape[0] != size:
            raise InvalidArgument(
                f"Tensor name: {tensor.name} has inconsistent batch size: {tensor.shape[0]} "
                f"expecting: {size}"
            )
        size = tensor.shape[0]


def _values(tensor: Tensor) -> NDArray[np.generic] | list[object]:
    """An array of numbers, or a list of strings, in the tensor's shape."""
    if is_binary_only(tensor.datatype):
        raise Unsupported(
            f"Failed to write JSON value for tensor type: {tensor.datatype} of output "
            f"'{tensor.name}'. Ask for it over gRPC"
        )
    if tensor.datatype is Datatype.BYTES:
        strings = np.empty(len(elements := _strings(tensor)), object)
        strings[:] = elements
        nested: list[object] = strings.reshape(tensor.shape).tolist()
        return nested
    return numeric_array(tensor).reshape(tensor.shape)


def _strings(tensor: Tensor) -> list[object]:
    elements = unpack_bytes(tensor.data)
    if tensor.name.endswith(_BYTES_SUFFIX):
        return [{"b64": base64.b64encode(element).decode()} for element in elements]
    try:
        return [element.decode() for element in elements]
    except UnicodeDecodeError:
        raise InvalidArgument(
            f"output '{tensor.name}' holds bytes that are not UTF-8, which JSON cannot carry; end "
            f"its name with {_BYTES_SUFFIX} or ask over gRPC"
        ) from None


def _writable(value: object) -> object:
    """`value`, or where orjson would write null for what is no number in JSON, its text."""
    if not isinstance(value, np.ndarray | np.generic):
        return value
    array = np.asarray(value)
    plain = array.ndim and (array.dtype.kind != "f" or np.isfinite(array).all())
    return array if plain else orjson.Fragment(_text(array))


def _text(array: NDArray[np.generic]) -> bytes:
    """An array, or one number, as JSON with NaN, Infinity and -Infinity in it."""
    flat = array.reshape(-1)
    tokens = iter([_token(value) for value in flat[~np.isfinite(flat)].tolist()])
    text = orjson.dumps(array if array.ndim else flat, option=_OPTIONS)
    text = re.sub(b"null", lambda _: next(tokens), text)
    return text if array.ndim else text[1:-1]


def _token(value: float) -> bytes:
    if value != value:
        return b"NaN"
    return b"Infinity" if value > 0 else b"-Infinity"
