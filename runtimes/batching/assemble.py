"""Join several requests' tensors into one batch and split its outputs again, on raw buffers.

Rows lie one after another in memory, so joining along the first dimension is joining bytes: one
copy in, none out, and BYTES tensors need no decoding. The copy goes into memory that is used again
and again where that is given.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import accumulate, pairwise

from runtimes.contract.tensor import (
    Buffer,
    Datatype,
    Tensor,
    byte_size,
    bytes_spans,
    element_count,
)

Joining = Callable[[Sequence[Buffer]], Buffer]
"""Copies buffers one behind the other into writable memory, which it may keep."""


class BatchShapeError(Exception):
    """The model's output does not have one row per input row, so it cannot be shared out."""


def joined(buffers: Sequence[Buffer]) -> bytearray:
    """All of `buffers` in memory of their own."""
    # A bytearray, because PyTorch takes only writable memory without a copy.
    return bytearray().join(buffers)


def join(
    parts: Sequence[Sequence[Tensor]], rows: int = 0, joining: Joining = joined
) -> tuple[Tensor, ...]:
    """One tensor per input from `parts` (requests with equal names, datatypes, trailing shapes).

    Where they have fewer than `rows` rows, the last one is repeated: a model takes what it has
    just taken.
    """
    found = sum(part[0].shape[0] for part in parts) if rows else 0
    more = rows - found if found else 0
    if len(parts) == 1 and more <= 0:
        return tuple(parts[0])
    whole = []
    for tensors in zip(*parts, strict=True):
        first = tensors[0]
        total = sum([tensor.shape[0] for tensor in tensors])
        buffers = [tensor.data for tensor in tensors]
        if more > 0:
            last = next(tensor for tensor in reversed(tensors) if tensor.shape[0])
            buffers.append(bytes(_last_row(last)) * more)
            total += more
        shape = (total, *first.shape[1:])
        whole.append(Tensor(first.name, first.datatype, shape, joining(buffers)))
    return tuple(whole)


def _last_row(tensor: Tensor) -> memoryview:
    view = memoryview(tensor.data)
    before = tensor.shape[0] - 1
    return view[_row_ends(tensor, (before,))[0] :]


def split(outputs: Sequence[Tensor], rows: Sequence[int]) -> list[tuple[Tensor, ...]]:
    """Share out `outputs` by `rows`; views, not copies. Raises BatchShapeError."""
    shares: list[list[Tensor]] = [[] for _ in rows]
    for tensor in outputs:
        if not tensor.shape or tensor.shape[0] != sum(rows):
            raise BatchShapeError(
                f"output '{tensor.name}' has shape {list(tensor.shape)}, expected {sum(rows)} rows "
                "like the batch; set max_batch_size: 0 for a model without a batch dimension"
            )
        for share, count, data in zip(shares, rows, _slices(tensor, rows), strict=True):
            shape = (count, *tensor.shape[1:])
            share.append(Tensor(tensor.name, tensor.datatype, shape, data))
    return [tuple(share) for share in shares]


def _slices(tensor: Tensor, rows: Sequence[int]) -> list[Buffer]:
    view = memoryview(tensor.data)
    ends = [0, *_row_ends(tensor, tuple(accumulate(rows)))]
    return [view[start:end] for start, end in pairwise(ends)]


def _row_ends(tensor: Tensor, rows: Sequence[int]) -> list[int]:
    """Where each of the `rows`, counted from 1, ends in the buffer; 0 is its beginning."""
    if tensor.datatype is Datatype.BYTES:
        ends, per_row = _bytes_ends(tensor), element_count(tensor.shape[1:])
        return [ends[row * per_row] for row in rows]
    size = byte_size(tensor.datatype, tensor.shape[1:]) or 0
    return [row * size for row in rows]


def _bytes_ends(tensor: Tensor) -> list[int]:
    """Where each BYTES element ends; entry 0 is the buffer's start."""
    return [0, *(end for _, end in bytes_spans(tensor.data))]
