"""What the configuration declares of a model, held against what its artifact tells."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from runtimes.contract.tensor import DYNAMIC, Datatype, TensorSpec
from runtimes.runtime import LoadError


@dataclass(frozen=True, slots=True)
class FoundTensor:
    """One input or output as the artifact tells it; `shape` is None where it does not say."""

    name: str
    datatype: Datatype
    shape: tuple[int, ...] | None


def reconcile(
    kind: str, declared: Sequence[TensorSpec], found: Sequence[FoundTensor]
) -> tuple[TensorSpec, ...]:
    """The tensors to serve: as declared, in that order, or as found where nothing is declared.

    `kind` is `input` or `output`. Every input of the artifact must be declared if any is; outputs
    may be left out. Raises LoadError naming the tensor, the declared and the actual.
    """
    if not declared:
        return tuple(
            TensorSpec(item.name, item.datatype, _known_shape(kind, item)) for item in found
        )
    actual = {item.name: item for item in found}
    specs = tuple(_checked(kind, spec, actual) for spec in declared)
    missing = sorted(actual.keys() - {spec.name for spec in specs})
    if kind == "input" and missing:
        raise LoadError(f"the model needs input '{missing[0]}', which the configuration leaves out")
    return specs


def _known_shape(kind: str, item: FoundTensor) -> tuple[int, ...]:
    if item.shape is None:
        raise LoadError(
            f"the artifact does not tell the rank of {kind} '{item.name}'. Declare the {kind}s in "
            f"model.yaml, for example:\n{kind}s:\n"
            f"  - {{name: {item.name}, datatype: {item.datatype}, shape: [-1, -1]}}"
        )
    return item.shape


def _checked(kind: str, spec: TensorSpec, actual: dict[str, FoundTensor]) -> TensorSpec:
    item = actual.get(spec.name)
    if item is None:
        raise LoadError(
            f"{kind} '{spec.name}' is declared, but the model's {kind}s are "
            + ", ".join(f"'{name}'" for name in actual)
        )
    if item.datatype is not spec.datatype:
        raise LoadError(
            f"{kind} '{spec.name}' is declared as {spec.datatype}, but the model has "
            f"{item.datatype}"
        )
    if spec.optional:
        raise LoadError(f"{kind} '{spec.name}' is declared optional, but the model always needs it")
    if item.shape is None:
        return spec
    if len(spec.shape) != len(item.shape) or not all(map(_agree, spec.shape, item.shape)):
        raise LoadError(
            f"{kind} '{spec.name}' is declared with shape {list(spec.shape)}, but the model has "
            f"{list(item.shape)}"
        )
    # Where one side knows a dimension, that is what requests are held to.
    shape = tuple(max(pair) for pair in zip(spec.shape, item.shape, strict=True))
    return TensorSpec(spec.name, spec.datatype, shape)


def _agree(declared: int, actual: int) -> bool:
    return declared == actual or DYNAMIC in (declared, actual)
