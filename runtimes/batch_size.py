"""How many rows one call of a model may hold, from its configuration and its signature."""

from __future__ import annotations

from dataclasses import replace

from runtimes.batching.padding import stretch
from runtimes.contract.messages import Batching
from runtimes.contract.tensor import DYNAMIC, Signature, TensorSpec
from runtimes.runtime import LoadError

DEFAULT = 64


def max_batch_size(
    configured: int | None, signature: Signature, batching: Batching | None = None
) -> int:
    """`configured`, once it fits the signature; else 0 without a batch dimension, and with one
    what `batching` has for all models, or DEFAULT.

    A batch dimension is a leading dimension of any size on every input and every output. Raises
    LoadError when batching is asked for and one of them has none.
    """
    fixed = _first_without_batch(signature)
    if configured is None:
        usual = batching.usual_rows if batching is not None else 0
        return 0 if fixed else usual or DEFAULT
    if configured < 0:
        raise LoadError(f"max_batch_size is {configured}, expected 0 or more")
    if configured and fixed:
        kind, spec = fixed
        raise LoadError(
            f"max_batch_size is {configured}, but {kind} '{spec.name}' has the shape "
            f"{list(spec.shape)}: expected -1 as the first dimension of every input and output. "
            "Export the model with a dynamic batch dimension or set max_batch_size to 0"
        )
    return configured


def fitting(
    batching: Batching | None, max_batch_size: int, signature: Signature
) -> Batching | None:
    """`batching` without what does not fit the model, where it was asked for on behalf of all."""
    if batching is None or not batching.usual_rows:
        return batching
    if max_batch_size == 0:
        return None
    sizes = batching.allowed_sizes if batching.allowed_sizes[-1:] == (max_batch_size,) else ()
    try:
        stretch(batching.pad, signature)
    except ValueError:
        return replace(batching, allowed_sizes=sizes, pad=None)
    return replace(batching, allowed_sizes=sizes)


def _first_without_batch(signature: Signature) -> tuple[str, TensorSpec] | None:
    for kind, specs in (("input", signature.inputs), ("output", signature.outputs)):
        for spec in specs:
            if not spec.shape or spec.shape[0] != DYNAMIC:
                return kind, spec
    return None
