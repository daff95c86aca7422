"""One trial run at load, so that a wrong signature or device shows before the first request."""

from __future__ import annotations

from collections.abc import Sequence

from runtimes.contract.tensor import (
    DYNAMIC,
    ITEM_SIZE,
    Datatype,
    Signature,
    Tensor,
    TensorSpec,
    element_count,
)
from runtimes.runtime import LoadError

MAX_BYTES = 256 * 2**20


def probe_inputs(signature: Signature) -> tuple[Tensor, ...] | None:
    """Inputs full of zeros (BYTES: empty elements), every dimension of any size being 1.

    None where they would be larger than MAX_BYTES.
    """
    size = sum(_size(spec) for spec in signature.inputs)
    return tuple(map(_zeros, signature.inputs)) if size <= MAX_BYTES else None


def conclusive(signature: Signature) -> bool:
    """Whether a failed probe proves a fault: no input has a size to guess but the batch, and none
    is BYTES.

    A model may rightly refuse a 1x1 image where its signature allows any size, and an empty text
    where it wants a picture or a serialised message.
    """
    return not any(
        DYNAMIC in spec.shape[1:] or spec.datatype is Datatype.BYTES for spec in signature.inputs
    )


def check_outputs(outputs: Sequence[Tensor], signature: Signature) -> None:
    """Refuse outputs that do not have the declared rank and sizes. Raises LoadError."""
    for tensor, spec in zip(outputs, signature.outputs, strict=True):
        fits = len(tensor.shape) == len(spec.shape) and all(
            want in (DYNAMIC, got) for want, got in zip(spec.shape, tensor.shape, strict=True)
        )
        if not fits:
            raise LoadError(
                f"output '{spec.name}' should have the shape {list(spec.shape)}, but a trial run "
                f"gave {list(tensor.shape)}"
            )


def _shape(spec: TensorSpec) -> tuple[int, ...]:
    return tuple(1 if dim == DYNAMIC else dim for dim in spec.shape)


def _size(spec: TensorSpec) -> int:
    return element_count(_shape(spec)) * ITEM_SIZE.get(spec.datatype, 4)


def _zeros(spec: TensorSpec) -> Tensor:
    # An empty BYTES element is its length, four zero bytes.
    return Tensor(spec.name, spec.datatype, _shape(spec), bytearray(_size(spec)))
