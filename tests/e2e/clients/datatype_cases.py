"""Values of every datatype at the edges of what it holds; numpy only, for pytest too."""

from __future__ import annotations

import numpy as np

JSON, BINARY, RAW, TYPED = "json", "binary", "grpc-raw", "grpc-typed"
ROUTES = (JSON, BINARY, RAW, TYPED)
BINARY_ONLY = ("FP16", "BF16")
SHAPES = {"values": (2, 3), "one row": (1, 3), "no rows": (0, 3), "no columns": (2, 0)}

_INTEGERS = {
    "INT8": np.int8,
    "INT16": np.int16,
    "INT32": np.int32,
    "INT64": np.int64,
    "UINT8": np.uint8,
    "UINT16": np.uint16,
    "UINT32": np.uint32,
    "UINT64": np.uint64,
}
_FLOATS = {"FP16": np.float16, "FP32": np.float32, "FP64": np.float64}
DATATYPES = ("BOOL", *_INTEGERS, *_FLOATS, "BF16", "BYTES")


def carries(route: str, datatype: str) -> bool:
    """Whether the protocol has a way for that datatype to go by that route."""
    return route in (BINARY, RAW) or datatype not in BINARY_ONLY


def six(route: str, datatype: str) -> np.ndarray:
    """Six elements, of which the first is not the zero of its datatype."""
    if datatype == "BOOL":
        return np.array([True, False, True, True, False, False])
    if datatype in _INTEGERS:
        kind = _INTEGERS[datatype]
        low, high = np.iinfo(kind).min, np.iinfo(kind).max
        return np.array([high, low, 0, 1, high - 1, low + 1], kind)
    if datatype == "BYTES":
        made = np.empty(6, np.object_)
        # ONNX strings are UTF-8; bytes that are not have a test of their own.
        made[:] = [b"a", b"", "日本語".encode(), b"x" * 300, b'"\\\n', b"\0nul\0"]
        return made
    if datatype == "BF16":  # what is left of float32 without its lower half
        return np.array([1.5, -2.0, 0.0, 2.0**127, 2.0**-126, -0.0], np.float32)
    kind = _FLOATS[datatype]
    edges = np.finfo(kind)
    last = 0.1 if route == JSON else np.inf
    return np.array([0.1, -0.0, edges.max, edges.min, edges.smallest_subnormal, last], kind)


def tensor(route: str, datatype: str, case: str) -> np.ndarray:
    """The tensor of one case."""
    shape = SHAPES[case]
    return six(route, datatype)[: shape[0] * shape[1]].reshape(shape)


def scalar(route: str, datatype: str) -> np.ndarray:
    """A tensor without dimensions."""
    return six(route, datatype)[:1].reshape(())
