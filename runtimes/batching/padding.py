"""How far a batch is filled up: its rows to a size the model is ready for, its open dimensions to
one they can share. Decisions only."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from runtimes.contract.messages import Padding
from runtimes.contract.tensor import DYNAMIC, Datatype, Signature, Tensor


@dataclass(frozen=True, slots=True)
class Stretch:
    """Which dimensions are filled up: `axes` of each input that has open ones, by `padding`.

    `outputs` are the open dimensions of each output, cut back afterwards to what a request had in
    the same dimension of `leader`, the first such input. `mask` is the datatype of the input that
    tells what is real, None where the worker makes none.
    """

    padding: Padding
    axes: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    outputs: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    mask: Datatype | None = None

    # Imported when needed: an environment without numpy serves what needs no stretching.

    def fill(self, parts: Sequence[Sequence[Tensor]]) -> Sequence[Sequence[Tensor]]:
        """Each request's inputs, all of one size in their open dimensions, mask added."""
        from runtimes.batching.stretch import stretched

        return stretched(parts, self)

    def cut(
        self, outputs: Sequence[Tensor], asked: Sequence[Tensor], ran: Sequence[Tensor]
    ) -> tuple[Tensor, ...]:
        """A request's share of the outputs without what stands for padding."""
        from runtimes.batching.stretch import cut_back

        return cut_back(outputs, asked, ran, self)


def padded_rows(rows: int, allowed: Sequence[int]) -> int:
    """The smallest of the ascending `allowed` sizes that holds `rows`; `rows` where none does."""
    return up_to(rows, allowed)


def up_to(size: int, buckets: Sequence[int]) -> int:
    """The smallest of the ascending `buckets` that holds `size`; `size` where none does."""
    index = bisect_left(buckets, size)
    return buckets[index] if index < len(buckets) else size


def stretch(padding: Padding | None, signature: Signature) -> Stretch | None:
    """What `padding` means for a model; raises ValueError, in words for who wrote the settings."""
    if padding is None:
        return None
    axes = {
        spec.name: open_axes
        for spec in signature.inputs
        if spec.name != padding.mask and (open_axes := _open(spec.shape))
    }
    if not axes:
        raise ValueError("batching.pad: no input has an open dimension besides the batch")
    kinds = {spec.name: spec.datatype for spec in signature.inputs}
    for name in axes:
        if kinds[name] is Datatype.BYTES:
            raise ValueError(f"batching.pad: input '{name}' is BYTES, which cannot be padded")
    outputs = {spec.name: _open(spec.shape) for spec in signature.outputs if _open(spec.shape)}
    return Stretch(padding, axes, outputs, _mask(padding.mask, signature))


def _open(shape: Sequence[int]) -> tuple[int, ...]:
    return tuple(axis for axis, dim in enumerate(shape) if axis > 0 and dim == DYNAMIC)


def _mask(name: str, signature: Signature) -> Datatype | None:
    if not name:
        return None
    for spec in signature.inputs:
        if spec.name == name and len(spec.shape) == 2 and spec.datatype is not Datatype.BYTES:
            return spec.datatype
    raise ValueError(f"batching.pad.mask: '{name}' is no input of numbers with two dimensions")
