"""Predict calls over gRPC: a PredictRequest to tensors, outputs to a PredictResponse."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from protos import tfs_api_pb2 as pb
from runtimes.contract.tensor import Buffer, Tensor
from server.errors import InvalidArgument
from server.frontends.grpc_wire import embedded, field_start, parse
from server.frontends.tf_serving.choice import ModelChoice, choice_of
from server.frontends.tf_serving.tensors import Room, decode_tensor, tensor_parts

MAX_NAMES = 1024
"""Inputs, or outputs asked for, of one request; no real model has more."""

_OUTPUTS = pb.PredictResponse.OUTPUTS_FIELD_NUMBER
_MODEL_SPEC = pb.PredictResponse.MODEL_SPEC_FIELD_NUMBER
_KEY, _VALUE = 1, 2  # of every map's entries
_HEADS = 256


@dataclass(frozen=True, slots=True)
class PredictCall:
    """What a PredictRequest says; `outputs` is empty for all."""

    choice: ModelChoice
    inputs: tuple[Tensor, ...]
    outputs: tuple[str, ...]


def decode_predict(payload: bytes, limit: int) -> PredictCall:
    """One PredictRequest; `limit` bounds the bytes that repetitions in it stand for.

    Raises InvalidArgument, Unsupported or TooLarge, naming the field.
    """
    message = parse(pb.PredictRequest, payload)
    choice, outputs = read_head(message)
    if len(message.inputs) > MAX_NAMES:
        raise InvalidArgument(
            f"the request has {len(message.inputs)} inputs, expected at most {MAX_NAMES}"
        )
    room = Room(limit)
    inputs = tuple([decode_tensor(name, message.inputs[name], room) for name in message.inputs])
    return PredictCall(choice, inputs, outputs)


def read_head(message: pb.PredictRequest) -> tuple[ModelChoice, tuple[str, ...]]:
    """All of a PredictRequest but its inputs; raises InvalidArgument."""
    if len(message.output_filter) > MAX_NAMES:
        raise InvalidArgument(
            f"output_filter has {len(message.output_filter)} names, expected at most {MAX_NAMES}"
        )
    return choice_of(message.model_spec), tuple(message.output_filter)


def encode_predict(model: str, version: str, signature: str, outputs: Sequence[Tensor]) -> bytes:
    """One PredictResponse, which says which version and which signature answered."""
    parts: list[Buffer] = []
    for tensor in outputs:
        entry = [_key(tensor.name), *embedded(_VALUE, tensor_parts(tensor))]
        parts += embedded(_OUTPUTS, entry)
    parts.append(_spec(model, version, signature))
    return b"".join(parts)


def model_spec(model: str, version: str, signature: str) -> pb.ModelSpec:
    """What an answer says of who answered."""
    spec = pb.ModelSpec(name=model, signature_name=signature)
    spec.version.value = int(version)
    return spec


@lru_cache(maxsize=_HEADS)
def _key(name: str) -> bytes:
    encoded = name.encode()
    return field_start(_KEY, len(encoded)) + encoded


@lru_cache(maxsize=_HEADS)
def _spec(model: str, version: str, signature: str) -> bytes:
    encoded: bytes = model_spec(model, version, signature).SerializeToString()
    return field_start(_MODEL_SPEC, len(encoded)) + encoded
