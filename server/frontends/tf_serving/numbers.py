"""Flat lists of values, from JSON or from features, to a tensor's buffer."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from runtimes.contract.tensor import Datatype
from server.errors import InvalidArgument
from server.frontends.open_inference.arrays import DTYPES
from server.frontends.open_inference.json_tensors import decode_data

_FLOATS = (Datatype.FP32, Datatype.FP64)


def pack_values(name: str, datatype: Datatype, shape: tuple[int, ...], flat: list[object]) -> bytes:
    """The buffer of input `name`, not BYTES, of which `flat` are all elements.

    Integers stand for floats too, and NaN and infinity are numbers here. Raises InvalidArgument for
    a value of the wrong kind or out of range, Unsupported for a datatype that JSON does not carry.
    """
    try:
        return decode_data(name, datatype, shape, flat if shape else flat[0])
    except InvalidArgument:
        # Finite numbers only are taken there; with others set aside, what is wrong besides is said.
        finite = [0.0 if type(v) is float and not math.isfinite(v) else v for v in flat]
        if datatype not in _FLOATS or finite == flat:
            raise
        decode_data(name, datatype, (len(flat),), finite)
        return np.array(flat, DTYPES[datatype]).tobytes()


def refuse_ragged(name: str, lengths: Sequence[int]) -> None:
    """Raises InvalidArgument where rows are not all of one length."""
    if len(set(lengths)) > 1:
        raise InvalidArgument(
            f"input '{name}' has rows of {min(lengths)} to {max(lengths)} values, expected equally "
            "many in all"
        )
