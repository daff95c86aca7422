"""Input tensors of a gRPC request, whether raw or in typed fields, as the gateway's tensors."""

from __future__ import annotations

from protos import inference_pb2 as pb
from runtimes.contract.tensor import Datatype, Tensor, element_count
from server.errors import InvalidArgument
from server.frontends.open_inference.parameters import refuse_shared_memory
from server.frontends.typed_lists import pack_list
from server.inference import check_shape, check_size

MAX_INPUTS = 1024
"""No real model has more; without a bound, a message of tiny inputs costs seconds to look at."""

_FIELDS: dict[Datatype, str] = {
    Datatype.BOOL: "bool_contents",
    Datatype.INT8: "int_contents",
    Datatype.INT16: "int_contents",
    Datatype.INT32: "int_contents",
    Datatype.INT64: "int64_contents",
    Datatype.UINT8: "uint_contents",
    Datatype.UINT16: "uint_contents",
    Datatype.UINT32: "uint_contents",
    Datatype.UINT64: "uint64_contents",
    Datatype.FP32: "fp32_contents",
    Datatype.FP64: "fp64_contents",
    Datatype.BYTES: "bytes_contents",
}
"""Where the protocol puts each datatype; FP16 and BF16 have no field."""


def decode_inputs(request: pb.ModelInferRequest) -> tuple[Tensor, ...]:
    """All inputs of `request`, sizes checked; raises InvalidArgument or Unsupported."""
    inputs, raw = request.inputs, request.raw_input_contents
    if len(inputs) > MAX_INPUTS:
        raise InvalidArgument(
            f"the request has {len(inputs)} inputs, expected at most {MAX_INPUTS}"
        )
    for position, tensor in enumerate(inputs):
        _check_header(tensor, position)
    if not raw:
        return tuple(_typed(tensor) for tensor in inputs)
    if len(raw) != len(inputs):
        raise InvalidArgument(
            f"raw_input_contents has {len(raw)} entries, expected {len(inputs)}: one per input, "
            "in the order of the inputs"
        )
    # Reading raw[i] copies the buffer out of the message, so each is read exactly once.
    return tuple(_raw(tensor, data) for tensor, data in zip(inputs, raw, strict=True))


def _check_header(tensor: pb.ModelInferRequest.InferInputTensor, position: int) -> None:
    if not tensor.name:
        raise InvalidArgument(f"inputs[{position}] has no name")
    refuse_shared_memory("input", tensor.name, tensor.parameters)


def _datatype(tensor: pb.ModelInferRequest.InferInputTensor) -> Datatype:
    try:
        return Datatype(tensor.datatype)
    except ValueError:
        raise InvalidArgument(
            f"input '{tensor.name}' has datatype '{tensor.datatype}', expected one of "
            f"{', '.join(Datatype)}"
        ) from None


def raw_header(tensor: pb.ModelInferRequest.InferInputTensor, position: int) -> Datatype:
    """The datatype of an input with raw contents, all but those contents checked.

    Raises InvalidArgument or Unsupported.
    """
    _check_header(tensor, position)
    return _raw_datatype(tensor)


def _raw_datatype(tensor: pb.ModelInferRequest.InferInputTensor) -> Datatype:
    if tensor.HasField("contents"):
        raise InvalidArgument(
            f"input '{tensor.name}' has contents while the request has raw_input_contents; "
            "expected one of the two, for all inputs"
        )
    datatype = _datatype(tensor)
    # Before a tuple is made of it: a shape may be as long as the message.
    check_shape(tensor.name, tensor.shape)
    return datatype


def _raw(tensor: pb.ModelInferRequest.InferInputTensor, data: bytes) -> Tensor:
    decoded = Tensor(tensor.name, _raw_datatype(tensor), tuple(tensor.shape), data)
    check_size(decoded)
    return decoded


def _typed(tensor: pb.ModelInferRequest.InferInputTensor) -> Tensor:
    datatype = _datatype(tensor)
    if datatype not in _FIELDS:
        raise InvalidArgument(
            f"input '{tensor.name}' has datatype {datatype}, which only raw_input_contents carries"
        )
    check_shape(tensor.name, tensor.shape)
    field = _filled_field(tensor, datatype)
    found, expected = len(getattr(tensor.contents, field)), element_count(tensor.shape)
    if found != expected:
        raise InvalidArgument(
            f"input '{tensor.name}' has {found} elements in {field}, expected "
            f"{expected} for shape [{','.join(map(str, tensor.shape))}]"
        )
    packed = pack_list(tensor.name, field, datatype, getattr(tensor.contents, field))
    return Tensor(tensor.name, datatype, tuple(tensor.shape), packed)


def _filled_field(tensor: pb.ModelInferRequest.InferInputTensor, datatype: Datatype) -> str:
    """The one field of `contents` that fits `datatype`; any other being filled is an error."""
    expected = _FIELDS[datatype]
    for field, _ in tensor.contents.ListFields():
        if field.name != expected:
            raise InvalidArgument(
                f"input '{tensor.name}' of datatype {datatype} has data in {field.name}, "
                f"expected in {expected}"
            )
    return expected
