"""The one request and the one response of all frontends, and the check against a signature."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import field

from runtimes.contract.messages import Timings
from runtimes.contract.record import record
from runtimes.contract.tensor import (
    DYNAMIC,
    MAX_ELEMENTS,
    MAX_RANK,
    Datatype,
    Signature,
    Tensor,
    TensorSpec,
    byte_size,
    bytes_spans,
    element_count,
)
from server.errors import InvalidArgument

ParameterValue = bool | int | float | str


@record
class InferenceRequest:
    """What a client asks, protocol left behind.

    `version` is "" for the default version. `outputs` is empty for all outputs, in the model's
    order. `deadline_ns` is on the monotonic clock, 0 for none. `signature` is "" for the model's
    default one.
    """

    model: str
    inputs: tuple[Tensor, ...]
    version: str = ""
    id: str = ""
    outputs: tuple[str, ...] = ()
    deadline_ns: int = 0
    priority: int = 0
    parameters: Mapping[str, ParameterValue] = field(default_factory=dict)
    signature: str = ""


@record
class InferenceResponse:
    """The answer: `outputs` in the order the request named them."""

    model: str
    version: str
    id: str
    outputs: tuple[Tensor, ...]
    timings: Timings


def check(request: InferenceRequest, signature: Signature, max_batch_size: int) -> None:
    """Refuse, before it can hurt a batch, a request that does not fit the model.

    `max_batch_size` is 0 for a model without a batch dimension. Raises InvalidArgument naming the
    field, what was expected and what came.
    """
    if not _plainly_fits(request, signature, max_batch_size):
        _check_closely(request, signature, max_batch_size)


def _plainly_fits(request: InferenceRequest, signature: Signature, max_batch_size: int) -> bool:
    """True for the good requests that most are: every input in the model's order.

    False says nothing; then it is looked at closely.
    """
    inputs, specs, outputs = request.inputs, signature.inputs, request.outputs
    if len(inputs) != len(specs):
        return False
    if outputs:
        known = {spec.name for spec in signature.outputs}
        if len(set(outputs)) != len(outputs) or not known.issuperset(outputs):
            return False
    rows = -1
    for tensor, spec in zip(inputs, specs, strict=True):
        shape = tensor.shape
        if tensor.name != spec.name or tensor.datatype is not spec.datatype:
            return False
        if shape != spec.shape and not _fits(shape, spec.shape):
            return False
        if max_batch_size and shape:
            if rows not in (-1, shape[0]):
                return False
            rows = shape[0]
    return rows <= max_batch_size


def _check_closely(request: InferenceRequest, signature: Signature, max_batch_size: int) -> None:
    """As `check`; finds out what is wrong."""
    _check_names(request, signature)
    specs = {spec.name: spec for spec in signature.inputs}
    for tensor in request.inputs:
        _check_tensor(request, tensor, specs[tensor.name])
    if max_batch_size:
        _check_batch(request, max_batch_size)
    known = {spec.name for spec in signature.outputs}
    for name in request.outputs:
        if name not in known:
            raise _invalid(
                request,
                f"unexpected inference output '{name}' for model '{request.model}'. "
                f"Its outputs are {_names(signature.outputs)}",
            )
    if len(set(request.outputs)) != len(request.outputs):
        raise _invalid(request, "an output is requested more than once")


def _check_names(request: InferenceRequest, signature: Signature) -> None:
    given = [tensor.name for tensor in request.inputs]
    known = {spec.name for spec in signature.inputs}
    if len(set(given)) != len(given):
        twice = sorted(name for name, count in Counter(given).items() if count > 1)
        raise _invalid(request, f"input(s) {twice} given more than once")
    if unknown := [name for name in given if name not in known]:
        raise _invalid(
            request,
            f"unexpected inference input '{unknown[0]}' for model '{request.model}'. "
            f"Its inputs are {_names(signature.inputs)}",
        )
    required = [spec.name for spec in signature.inputs if not spec.optional]
    if missing := [name for name in required if name not in given]:
        raise _invalid(
            request,
            f"expected {len(required)} inputs but got {len(given)} inputs for model "
            f"'{request.model}'. Got input(s) {given}, but missing required input(s) {missing}. "
            f"Please provide all required input(s).",
        )


def _check_tensor(request: InferenceRequest, tensor: Tensor, spec: TensorSpec) -> None:
    if tensor.datatype is not spec.datatype:
        raise _invalid(
            request,
            f"inference input '{tensor.name}' data-type is '{tensor.datatype}', but model "
            f"'{request.model}' expects '{spec.datatype}'",
        )
    if not _fits(tensor.shape, spec.shape):
        raise _invalid(
            request,
            f"unexpected shape for input '{tensor.name}' for model '{request.model}'. "
            f"Expected {_shape(spec.shape)}, got {_shape(tensor.shape)}",
        )


def _fits(shape: tuple[int, ...], wanted: tuple[int, ...]) -> bool:
    """True where `shape` has the dimensions `wanted`, of which -1 is any."""
    if len(shape) != len(wanted):
        return False
    for got, want in zip(shape, wanted, strict=True):
        if got != want and want != DYNAMIC:
            return False
    return True


def check_size(tensor: Tensor) -> None:
    """Refuse a tensor whose shape is impossible or whose buffer is not exactly its size.

    For codecs, which know no signature. Raises InvalidArgument.
    """
    check_shape(tensor.name, tensor.shape)
    expected = byte_size(tensor.datatype, tensor.shape)
    if expected is None:
        check_bytes_elements(tensor)
    elif expected != len(tensor.data):
        raise InvalidArgument(
            f"input '{tensor.name}' has {len(tensor.data)} bytes, expected {expected} for "
            f"{tensor.datatype} {_shape(tensor.shape)}"
        )
    elif tensor.datatype is Datatype.BOOL and bytes(tensor.data).translate(None, b"\0\1"):
        raise InvalidArgument(f"input '{tensor.name}': a BOOL byte is neither 0 nor 1")


def check_shape(name: str, shape: Sequence[int]) -> None:
    """Refuse a rank, dimension or element count beyond what any tensor may have."""
    if len(shape) > MAX_RANK:
        raise InvalidArgument(f"input '{name}' has rank {len(shape)}, expected at most {MAX_RANK}")
    for dim in shape:
        if dim < 0:
            raise InvalidArgument(f"input '{name}' has dimension {dim}, expected 0 or more")
    if element_count(shape) > MAX_ELEMENTS:
        raise InvalidArgument(
            f"input '{name}' has {element_count(shape)} elements, expected at most {MAX_ELEMENTS}"
        )


def check_bytes_elements(tensor: Tensor) -> None:
    """Refuse a BYTES tensor whose length prefixes or element count do not add up."""
    try:
        count = sum(1 for _ in bytes_spans(tensor.data))
    except ValueError as error:
        raise InvalidArgument(f"input '{tensor.name}': {error}") from None
    if count != element_count(tensor.shape):
        raise InvalidArgument(
            f"input '{tensor.name}' has {count} BYTES elements, expected "
            f"{element_count(tensor.shape)} for shape {_shape(tensor.shape)}"
        )


def _check_batch(request: InferenceRequest, max_batch_size: int) -> None:
    rows = {tensor.shape[0] for tensor in request.inputs if tensor.shape}
    if len(rows) > 1:
        raise _invalid(
            request,
            f"inputs of model '{request.model}' have different batch sizes {sorted(rows)}; "
            "expected one size for all",
        )
    if rows and (size := rows.pop()) > max_batch_size:
        raise _invalid(
            request,
            f"inference request batch-size must be <= {max_batch_size} for '{request.model}', "
            f"got {size}. Send fewer rows, or raise max_batch_size in the model's model.yaml",
        )


def _invalid(request: InferenceRequest, message: str) -> InvalidArgument:
    prefix = f"[request id: {request.id}] " if request.id else ""
    return InvalidArgument(prefix + message)


def _names(specs: Sequence[TensorSpec]) -> list[str]:
    return [spec.name for spec in specs]


def _shape(shape: Sequence[int]) -> str:
    return "[" + ",".join(map(str, shape)) + "]"


def is_binary_only(datatype: Datatype) -> bool:
    """True for the datatypes that JSON and typed protobuf fields cannot carry."""
    return datatype in (Datatype.FP16, Datatype.BF16)
