"""Nested lists, as JSON has arrays, taken apart into dimensions and elements."""

from __future__ import annotations

from itertools import chain
from typing import cast

from runtimes.contract.tensor import MAX_RANK
from server.errors import InvalidArgument


def flatten(what: str, data: list[object]) -> tuple[list[int], list[object]]:
    """The dimensions of `data` and its elements in row-major order.

    Raises InvalidArgument, saying `what` it is about, where lists beside each other are not equally
    long or nested deeper than any tensor is. What else stands among lists is for the caller to look
    at.
    """
    level = data
    dims = [len(level)]
    while level and type(level[0]) is list:
        if len(dims) == MAX_RANK:
            raise InvalidArgument(f"{what} is nested deeper than {MAX_RANK} levels")
        rows = cast(list[list[object]], level)
        if set(map(type, level)) != {list} or len(set(map(len, rows))) != 1:
            raise InvalidArgument(f"{what} is ragged; all rows must be equally long")
        dims.append(len(rows[0]))
        level = list(chain.from_iterable(rows))
    return dims, level
