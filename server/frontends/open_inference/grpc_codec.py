"""gRPC inference messages to and from the gateway's one request and one response."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from protos import inference_pb2 as pb
from runtimes.contract.tensor import Buffer, Datatype
from server.errors import InvalidArgument
from server.frontends.grpc_wire import embedded, field_start, parse
from server.frontends.open_inference.grpc_tensors import decode_inputs
from server.frontends.open_inference.parameters import (
    RequestParameters,
    check_id,
    refuse_shared_memory,
    request_parameters,
)
from server.inference import InferenceRequest, InferenceResponse, ParameterValue
from server.repository.names import is_label

MAX_OUTPUTS = 1024
_MAX_VERSION_DIGITS = 18
_HEADS = 256
_MAX_CLASSES = 2**31 - 1
_MAX_NS = 2**63 - 1

_FINAL_RESPONSE = "triton_final_response"
# Asks for an empty message after the last of several responses; with exactly one response per
# request there is nothing to mark, so it is allowed and has no effect.
_ASK_FINAL_RESPONSE = "triton_enable_empty_final_response"

_RAW_OUTPUT_CONTENTS = pb.ModelInferResponse.RAW_OUTPUT_CONTENTS_FIELD_NUMBER
_INFER_RESPONSE = pb.ModelStreamInferResponse.INFER_RESPONSE_FIELD_NUMBER


@dataclass(frozen=True, slots=True)
class Decoded:
    """A request, and for outputs asked as classes how many; all other outputs are absent."""

    request: InferenceRequest
    classes: Mapping[str, int]


def decode_infer(payload: bytes, now_ns: int, deadline_ns: int = 0) -> Decoded:
    """One ModelInferRequest; `deadline_ns` is the call's own deadline, 0 for none.

    Raises InvalidArgument or Unsupported, naming the field.
    """
    message = parse(pb.ModelInferRequest, payload)
    model, version, parameters, outputs, classes = read_head(message)
    return Decoded(
        InferenceRequest(
            model=model,
            inputs=decode_inputs(message),
            version=version,
            id=check_id(message.id),
            outputs=outputs,
            deadline_ns=sooner(deadline_ns, parameters.deadline_ns(now_ns)),
            priority=parameters.priority,
            parameters=parameters.custom,
            signature=parameters.signature,
        ),
        classes,
    )


def read_head(
    message: pb.ModelInferRequest,
) -> tuple[str, str, RequestParameters, tuple[str, ...], dict[str, int]]:
    """Model, version, parameters, requested outputs and their classes: all but id and inputs.

    Raises InvalidArgument or Unsupported, naming the field.
    """
    model = model_name("model_name", message.model_name)
    version = version_number(message.model_version)
    given = _parameters(message.parameters)
    given.pop(_ASK_FINAL_RESPONSE, None)
    parameters = request_parameters(given)
    return model, version, parameters, *_requested(message)


def request_id(payload: bytes) -> str:
    """The id of a request that may be wrong otherwise; "" where there is none to read."""
    try:
        return parse(pb.ModelInferRequest, payload).id
    except InvalidArgument:
        return ""


def named(payload: bytes) -> tuple[str, str]:
    """Model and version that a request asks for, which may be wrong otherwise; "" for what cannot
    be read of it.
    """
    try:
        message = parse(pb.ModelInferRequest, payload)
        return message.model_name, version_number(message.model_version)
    except InvalidArgument:
        return "", ""


def model_name(field: str, name: str) -> str:
    """`name` if it is one; raises InvalidArgument naming `field`."""
    if not name:
        raise InvalidArgument(f"{field} is empty, expected the name of a model")
    return name


def version_number(text: str) -> str:
    """A version or label as the data plane has it, "" for the default; raises InvalidArgument."""
    if not text or is_label(text):
        return text
    if not (text.isascii() and text.isdigit() and len(text) <= _MAX_VERSION_DIGITS):
        raise InvalidArgument(
            f"failed to get model version from specified version string '{text[:40]}'; expected "
            "a whole number or a label"
        )
    return str(int(text))


def sooner(first_ns: int, second_ns: int) -> int:
    """The earlier of two deadlines, 0 being none; never beyond what 63 bits hold."""
    given = [deadline for deadline in (first_ns, second_ns) if deadline]
    return min(*given, _MAX_NS) if given else 0


def encode_infer(response: InferenceResponse) -> bytes:
    """One ModelInferResponse with every output in raw_output_contents."""
    return b"".join(_response_parts(response, final=False))


def encode_stream_infer(response: InferenceResponse) -> bytes:
    """One ModelStreamInferResponse; each request on a stream has one, so each is final."""
    return b"".join(embedded(_INFER_RESPONSE, _response_parts(response, final=True)))


def encode_stream_error(message: str, id_: str) -> bytes:
    """The ModelStreamInferResponse of a request that failed; `id_` tells the client which."""
    response = pb.ModelStreamInferResponse(error_message=message)
    if id_:
        response.infer_response.id = id_
    return response.SerializeToString()


def _requested(message: pb.ModelInferRequest) -> tuple[tuple[str, ...], dict[str, int]]:
    if len(message.outputs) > MAX_OUTPUTS:
        raise InvalidArgument(
            f"the request names {len(message.outputs)} outputs, expected at most {MAX_OUTPUTS}"
        )
    classes: dict[str, int] = {}
    for position, output in enumerate(message.outputs):
        if not output.name:
            raise InvalidArgument(f"outputs[{position}] has no name")
        given = _parameters(output.parameters)
        refuse_shared_memory("output", output.name, given)
        if "classification" in given:
            classes[output.name] = _class_count(output.name, given["classification"])
    return tuple(output.name for output in message.outputs), classes


def _class_count(output: str, value: ParameterValue) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= _MAX_CLASSES:
        raise InvalidArgument(
            f"parameter 'classification' of output '{output}' must be an integer from 1 to "
            f"{_MAX_CLASSES}"
        )
    return value


def _parameters(given: Mapping[str, pb.InferParameter]) -> dict[str, ParameterValue]:
    """Parameters as plain values; one without a value is an error."""
    return {name: getattr(given[name], choice_of(name, given[name])) for name in given}


def choice_of(name: str, parameter: pb.InferParameter | pb.ModelRepositoryParameter) -> str:
    """The field that holds the parameter's value; raises InvalidArgument where none does."""
    choice: str | None = parameter.WhichOneof("parameter_choice")
    if choice is None:
        raise InvalidArgument(f"parameter '{name}' has no value")
    return choice


def _response_parts(response: InferenceResponse, *, final: bool) -> list[Buffer]:
    outputs = tuple([(one.name, one.datatype, one.shape) for one in response.outputs])
    parts: list[Buffer] = [_response_head(response.model, response.version, outputs, final)]
    if response.id:
        id_ = response.id.encode()
        parts += (field_start(pb.ModelInferResponse.ID_FIELD_NUMBER, len(id_)), id_)
    for tensor in response.outputs:
        parts += (field_start(_RAW_OUTPUT_CONTENTS, len(tensor.data)), tensor.data)
    return parts


@lru_cache(maxsize=_HEADS)
def _response_head(
    model: str,
    version: str,
    outputs: tuple[tuple[str, Datatype, tuple[int, ...]], ...],
    final: bool,
) -> bytes:
    """All of a response but its id and its contents; the same for most answers of a model."""
    header = pb.ModelInferResponse(model_name=model, model_version=version)
    if final:
        header.parameters[_FINAL_RESPONSE].bool_param = True
    for name, datatype, shape in outputs:
        header.outputs.add(name=name, datatype=datatype.value, shape=shape)
    encoded: bytes = header.SerializeToString()
    return encoded
