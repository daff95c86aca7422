"""A model's outputs as the results of Classify and Regress calls.

Signatures made for these calls say by their outputs' names what is what (TensorFlow's
signature_constants.h). For any other model its only strings are the classes, its only floats the
scores or values, and class names may come from the labels in its settings.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from protos import tfs_api_pb2 as pb
from runtimes.contract.tensor import (
    PREDICT,
    Datatype,
    Signature,
    Tensor,
    TensorSpec,
    unpack_bytes,
)
from server.errors import FailedPrecondition, InvalidArgument
from server.frontends.open_inference.arrays import numeric_array
from server.frontends.tf_serving.choice import CLASSIFY, REGRESS, Chosen

_CLASSES, _SCORES, _OUTPUTS = "classes", "scores", "outputs"
Value = TypeVar("Value")

_FLOATS = (Datatype.FP32, Datatype.FP64, Datatype.FP16, Datatype.BF16)


@dataclass(frozen=True, slots=True)
class ClassOutputs:
    """Which outputs are the classes' names and which their scores, "" for none."""

    classes: str
    scores: str

    @property
    def names(self) -> tuple[str, ...]:
        """The outputs to ask for."""
        return tuple(name for name in (self.classes, self.scores) if name)


def class_outputs(chosen: Chosen) -> ClassOutputs:
    """Raises InvalidArgument for a signature of another kind, FailedPrecondition for one whose
    outputs cannot be told apart.
    """
    _check_method(chosen, CLASSIFY, "classification")
    specs = {spec.name: spec.datatype for spec in chosen.signature.outputs}
    if _CLASSES in specs or _SCORES in specs:
        return ClassOutputs(
            _CLASSES if _CLASSES in specs else "", _SCORES if _SCORES in specs else ""
        )
    strings = _of(chosen.signature, (Datatype.BYTES,))
    floats = _of(chosen.signature, _FLOATS)
    if chosen.method == CLASSIFY or len(strings) > 1 or len(floats) > 1 or not strings + floats:
        raise FailedPrecondition(
            "Expected classification signature outputs to contain at least one of "
            f'"{_CLASSES}" or "{_SCORES}". Its outputs are {sorted(specs)}'
        )
    return ClassOutputs("".join(strings), "".join(floats))


def value_output(chosen: Chosen) -> str:
    """The output that is the value; raises as `class_outputs` does."""
    _check_method(chosen, REGRESS, "regression")
    names = [spec.name for spec in chosen.signature.outputs]
    floats = _of(chosen.signature, _FLOATS)
    if _OUTPUTS in names:
        return _OUTPUTS
    if chosen.method == REGRESS or len(floats) != 1:
        raise FailedPrecondition(
            f'Expected regression signature outputs to contain "{_OUTPUTS}". Its outputs are '
            f"{sorted(names)}"
        )
    return floats[0]


def classification_result(
    told: ClassOutputs,
    outputs: Sequence[Tensor],
    examples: int,
    labels: Mapping[str, Sequence[str]],
) -> pb.ClassificationResult:
    """One list of classes per example; `labels` are those in the settings, by output."""
    found = {tensor.name: tensor for tensor in outputs}
    names: list[list[str]] | None = None
    scores: list[list[float]] | None = None
    if told.classes:
        names = _rows(_strings(found[told.classes]), found[told.classes], examples)
    if told.scores:
        scores = _rows(_floats(found[told.scores]), found[told.scores], examples)
    if names is None and scores is not None:
        names = [_labels(labels.get(told.scores, ()), len(row)) for row in scores]
    result = pb.ClassificationResult()
    for row in range(examples):
        _add_row(result, (names or [])[row], scores[row] if scores is not None else None)
    return result


def regression_result(tensor: Tensor, examples: int) -> pb.RegressionResult:
    """One value per example; raises InvalidArgument where the model gives another number."""
    if tensor.shape not in ((examples,), (examples, 1)):
        raise InvalidArgument(
            "Expected output Tensor shape to be either [batch_size] or [batch_size, 1] but got "
            f"{list(tensor.shape)}"
        )
    result = pb.RegressionResult()
    for value in _floats(tensor):
        result.regressions.add(value=value)
    return result


def _check_method(chosen: Chosen, wanted: str, kind: str) -> None:
    if chosen.method not in (wanted, PREDICT, ""):
        raise InvalidArgument(
            f"Expected {kind} signature method_name to be {wanted}. Was: {chosen.method}"
        )


def _of(signature: Signature, datatypes: Sequence[Datatype]) -> list[str]:
    def fits(spec: TensorSpec) -> bool:
        return spec.datatype in datatypes

    return [spec.name for spec in filter(fits, signature.outputs)]


def _add_row(
    result: pb.ClassificationResult, names: Sequence[str], scores: Sequence[float] | None
) -> None:
    if scores is not None and len(scores) != len(names):
        raise InvalidArgument(
            f"the model gives {len(names)} classes and {len(scores)} scores, expected as many"
        )
    row = result.classifications.add()
    for position, name in enumerate(names):
        row.classes.add(label=name, score=scores[position] if scores is not None else 0.0)


def _rows(flat: Sequence[Value], tensor: Tensor, examples: int) -> list[list[Value]]:
    """`flat` as one list per example; a single class may come without a dimension of its own."""
    shape = tensor.shape
    if len(shape) not in (1, 2) or shape[0] != examples:
        raise InvalidArgument(
            f"Expected Tensor shape: [batch_size num_classes] but got {list(shape)} for output "
            f"'{tensor.name}' and {examples} example(s)"
        )
    width = shape[1] if len(shape) == 2 else 1
    return [list(flat[row * width : (row + 1) * width]) for row in range(examples)]


def _strings(tensor: Tensor) -> list[str]:
    if tensor.datatype is not Datatype.BYTES:
        raise InvalidArgument(f"Expected classes Tensor of DT_STRING. Got: {tensor.datatype}")
    return [element.decode("utf-8", "replace") for element in unpack_bytes(tensor.data)]


def _floats(tensor: Tensor) -> list[float]:
    if tensor.datatype not in _FLOATS:
        raise InvalidArgument(f"Expected scores Tensor of DT_FLOAT. Got: {tensor.datatype}")
    if tensor.datatype is Datatype.FP64:
        numbers = numeric_array(tensor).astype("f4")  # what the answer can carry
    else:
        numbers = numeric_array(tensor)
    values: list[float] = numbers.tolist()
    return values


def _labels(labels: Sequence[str], count: int) -> list[str]:
    """As many labels as there are classes, "" where the settings have none."""
    return [*labels[:count], *[""] * (count - len(labels))]
