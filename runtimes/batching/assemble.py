"""Join several requests' tensors into one batch and split its outputs again, on raw buffers.

Rows lie one after another in memory, so joining along the first dimension is joining bytes: one
copy in, none out, and BYTES tensors need no decoding.
"""

from __future__ import annotations

from collections.abc import Sequence

from runtimes.contract.tensor import (
    Buffer,
    Datatype,
    Tensor,
    byte_size,
    bytes_spans,
    element_count,
)


class BatchShapeError(Exception):
    """The model's output does not have one row per input row, so it cannot be shared out."""


def join(parts: Sequence[Sequence[Tensor]]) -> tuple[Tensor, ...]:
    """One tensor per input from `parts` (requests with equal names, datatypes, trailing shapes)."""
    if len(parts) == 1:
        return tuple(parts[0])
    joined = []
    for tensors in zip(*parts, strict=True):
        first = tensors[0]
        rows = sum(tensor.shape[0] for tensor in tensors)
        # A bytearray, because PyTorch takes only writable memory without a copy.
        data = bytearray().join([tensor.data for tensor in tensors])
        joined.append(Tensor(first.name, first.datatype, (rows, *first.shape[1:]), data))
    return tuple(joined)


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
    ends = _bytes_ends(tensor) if tensor.datatype is Datatype.BYTES else None
    per_row = element_count(tensor.shape[1:])
    slices: list[Buffer] = []
    start = element = 0
    for count in rows:
        if ends is None:
            end = start + (byte_size(tensor.datatype, (count, *tensor.shape[1:])) or 0)
        else:
            element += count * per_row
            end = ends[element]
        slices.append(view[start:end])
        start = end
    return slices


def _bytes_ends(tensor: Tensor) -> list[int]:
    """Where each BYTES element ends; entry 0 is the buffer's start."""
    return [0, *(end for _, end in bytes_spans(tensor.data))]
