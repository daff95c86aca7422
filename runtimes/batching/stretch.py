"""Fills up inputs in their open dimensions so that they join, and cuts outputs back afterwards."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from runtimes.arrays import NUMPY, Array, to_array, to_tensor
from runtimes.batching.padding import Stretch, up_to
from runtimes.contract.messages import Padding
from runtimes.contract.tensor import Datatype, Tensor

Shape = tuple[int, ...]


def stretched(parts: Sequence[Sequence[Tensor]], stretch: Stretch) -> list[tuple[Tensor, ...]]:
    """Each request's inputs, all of one size in the dimensions of `stretch.axes`, mask added."""
    padding = stretch.padding
    sizes = _sizes(parts, stretch)
    return [
        tuple(_filled(one, sizes[one.name], _value(one, padding)) for one in tensors)
        + _made_mask(tensors, sizes, stretch)
        for tensors in parts
    ]


def cut_back(
    outputs: Sequence[Tensor], asked: Sequence[Tensor], ran: Sequence[Tensor], stretch: Stretch
) -> tuple[Tensor, ...]:
    """A request's share of the outputs without what stands for padding.

    `asked` are its inputs as they came, `ran` as they ran. An output's open dimension is cut to
    what the first stretched input had in the same dimension, where it came out as long as that ran.
    """
    leader = next(iter(stretch.axes))
    was = next(one.shape for one in asked if one.name == leader)
    now = next(one.shape for one in ran if one.name == leader)
    if was == now:
        return tuple(outputs)
    return tuple(_cut(one, stretch.outputs.get(one.name, ()), was, now) for one in outputs)


def _sizes(parts: Sequence[Sequence[Tensor]], stretch: Stretch) -> Mapping[str, Shape]:
    """The trailing dimensions that every request's input of a name is to have."""
    sizes: dict[str, Shape] = {}
    leader = next(iter(stretch.axes))
    for tensors in zip(*parts, strict=True):
        name = tensors[0].name
        dims = [max(column) for column in zip(*(one.shape[1:] for one in tensors), strict=True)]
        for axis in stretch.axes.get(name, ()):
            dims[axis - 1] = up_to(dims[axis - 1], stretch.padding.buckets)
        sizes[name] = tuple(dims)
    if stretch.padding.mask in sizes:
        sizes[stretch.padding.mask] = sizes[leader][:1]
    return sizes


def _filled(tensor: Tensor, dims: Shape, value: float) -> Tensor:
    if tensor.shape[1:] == dims:
        return tensor
    whole = np.full((tensor.shape[0], *dims), _as(tensor.datatype, value), NUMPY[tensor.datatype])
    whole[tuple(slice(dim) for dim in tensor.shape)] = to_array(tensor)
    return to_tensor(tensor.name, tensor.datatype, whole)


def _value(tensor: Tensor, padding: Padding) -> float:
    return 0 if tensor.name == padding.mask else padding.value


def _as(datatype: Datatype, value: float) -> float:
    """`value` as an array of `datatype` holds it; BF16 is held as the upper half of FP32's bits."""
    if datatype is not Datatype.BF16:
        return value
    return int(np.float32(value).view(np.uint32)) >> 16


def _made_mask(
    tensors: Sequence[Tensor], sizes: Mapping[str, Shape], stretch: Stretch
) -> tuple[Tensor, ...]:
    name, datatype = stretch.padding.mask, stretch.mask
    if datatype is None or any(one.name == name for one in tensors):
        return ()
    leader = next(iter(stretch.axes))
    rows, real = next(one.shape for one in tensors if one.name == leader)[:2]
    mask = np.zeros((rows, sizes[leader][0]), NUMPY[datatype])
    mask[:, :real] = _as(datatype, 1)
    return (to_tensor(name, datatype, mask),)


def _cut(output: Tensor, axes: Sequence[int], was: Shape, now: Shape) -> Tensor:
    lengths = list(output.shape)
    for axis in axes:
        if axis < min(len(now), len(lengths)) and lengths[axis] == now[axis]:
            lengths[axis] = was[axis]
    if tuple(lengths) == output.shape:
        return output
    array: Array = to_array(output)[tuple(map(slice, lengths))]
    return to_tensor(output.name, output.datatype, np.ascontiguousarray(array))
