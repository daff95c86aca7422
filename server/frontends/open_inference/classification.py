"""The classification extension: an output's k highest values as "value:index[:label]" strings."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from runtimes.contract.tensor import Datatype, Tensor, pack_bytes
from server.errors import InvalidArgument
from server.frontends.open_inference.arrays import numeric_array


def classify(tensor: Tensor, k: int, labels: tuple[str, ...], batched: bool) -> Tensor:
    """The `k` highest values of `tensor`, highest first, as a BYTES tensor of the same name.

    The result is [batch, k] when `batched`, else [k]; k shrinks to the number of classes where
    there are fewer. Equal values keep their index order, and NaN comes last. `labels` may be
    shorter than the classes. Raises InvalidArgument for a k below 1 or an output of strings.
    """
    if k < 1:
        raise InvalidArgument(
            f"classification of output '{tensor.name}' must ask for 1 or more classes, got {k}"
        )
    if tensor.datatype is Datatype.BYTES:
        raise InvalidArgument(
            f"output '{tensor.name}' holds BYTES; classification needs an output of numbers"
        )
    values = numeric_array(tensor)
    rows = tensor.shape[0] if batched and tensor.shape else 1
    table = values.reshape(rows, values.size // rows if rows else 0)
    classes = table.shape[1] if rows else _classes(tensor.shape)
    kept = min(k, classes)
    shape = (rows, kept) if batched else (kept,)
    return Tensor(tensor.name, Datatype.BYTES, shape, pack_bytes(_entries(table, kept, labels)))


def _classes(shape: tuple[int, ...]) -> int:
    """Classes of a row that is not there, because the batch is empty."""
    count = 1
    for dim in shape[1:]:
        count *= dim
    return count


def _entries(table: NDArray[np.generic], k: int, labels: tuple[str, ...]) -> Iterator[bytes]:
    for row in table:
        # Descending and stable: the reversed row is sorted upwards and read from its end. Negating
        # the values instead would not do for unsigned integers, nor for the lowest signed one.
        order = row.size - 1 - np.argsort(row[::-1], kind="stable")[::-1]
        if row.dtype.kind == "f":
            nan = np.isnan(row[order])  # sorted upwards NaN is last, so here it came first
            order = np.concatenate([order[~nan], order[nan]])
        for index in order[:k].tolist():
            yield _entry(row[index].item(), index, labels).encode()


def _entry(value: float | int | bool, index: int, labels: tuple[str, ...]) -> str:
    number = f"{value:f}" if isinstance(value, float) else str(int(value))
    label = f":{labels[index]}" if index < len(labels) else ""
    return f"{number}:{index}{label}"
