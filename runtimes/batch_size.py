"""How many rows one call of a model may hold, from its configuration and its signature."""

from __future__ import annotations

from runtimes.contract.tensor import DYNAMIC, Signature, TensorSpec
from runtimes.runtime import LoadError

DEFAULT = 64


def max_batch_size(configured: int | None, signature: Signature) -> int:
    """`configured`, once it fits the signature; DEFAULT or 0 where it is None.

    A batch dimension is a leading dimension of any size on every input and every output. Raises
    LoadError when batching is asked for and one of them has none.
    """
    fixed = _first_without_batch(signature)
    if configured is None:
        return 0 if fixed else DEFAULT
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


def _first_without_batch(signature: Signature) -> tuple[str, TensorSpec] | None:
    for kind, specs in (("input", signature.inputs), ("output", signature.outputs)):
        for spec in specs:
            if not spec.shape or spec.shape[0] != DYNAMIC:
                return kind, spec
    return None
