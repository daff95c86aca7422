"""gRPC requests with raw contents by a plan: what comes before the contents is read once.

A client's requests begin with the same bytes again and again, but for the id: names, datatypes,
shapes, parameters. A plan holds what follows from them. The contents are never remembered and,
being views into the message, not copied either. What has no plan is decoded the general way, and so
is all that is wrong, so that there is one place for every refusal.

A message less one of its fields, or cut between two of them, is a message that means the rest:
protobuf says that messages may be joined by joining their bytes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from protos import inference_pb2 as pb
from runtimes.contract.tensor import Datatype, Tensor, byte_size
from server.errors import ServingError
from server.frontends.grpc_wire import field_start, parse
from server.frontends.open_inference.grpc_codec import Decoded, read_head, sooner
from server.frontends.open_inference.grpc_tensors import raw_header
from server.frontends.open_inference.parameters import RequestParameters, check_id
from server.inference import InferenceRequest

MAX_HEAD_BYTES = 4096
"""What is longer up to its contents is not remembered."""

_PLANS = 256
_RAW_INPUT_CONTENTS = pb.ModelInferRequest.RAW_INPUT_CONTENTS_FIELD_NUMBER
# All fields of the message are length-delimited, with numbers of one byte.
_ID = pb.ModelInferRequest.ID_FIELD_NUMBER << 3 | 2
_RAW = _RAW_INPUT_CONTENTS << 3 | 2
_BEFORE_RAW = frozenset(number << 3 | 2 for number in range(1, _RAW_INPUT_CONTENTS))


@dataclass(frozen=True, slots=True)
class _Input:
    """An input; `start` is what stands before its `size` bytes of contents."""

    name: str
    datatype: Datatype
    shape: tuple[int, ...]
    start: bytes
    size: int


@dataclass(frozen=True, slots=True)
class _Plan:
    """What a message without id and raw contents says; `size` is that of its raw contents."""

    model: str
    version: str
    parameters: RequestParameters
    inputs: tuple[_Input, ...]
    outputs: tuple[str, ...]
    classes: Mapping[str, int]
    size: int


def decode_planned(payload: bytes, now_ns: int, deadline_ns: int) -> Decoded | None:
    """The same as `decode_infer`, or None where it has to do it.

    Raises InvalidArgument for a bad id.
    """
    found = _split(payload)
    if found is None:
        return None
    head, id_, at = found
    plan = _plan(head)
    if plan is None or len(payload) - at != plan.size:
        return None
    view = memoryview(payload)
    tensors: list[Tensor] = []
    for one in plan.inputs:
        if not payload.startswith(one.start, at):
            return None
        at += len(one.start)
        tensors.append(Tensor(one.name, one.datatype, one.shape, view[at : at + one.size]))
        at += one.size
    try:
        text = id_.decode()
    except UnicodeDecodeError:
        return None
    request = InferenceRequest(
        model=plan.model,
        inputs=tuple(tensors),
        version=plan.version,
        id=check_id(text) if text else "",
        outputs=plan.outputs,
        deadline_ns=sooner(deadline_ns, plan.parameters.deadline_ns(now_ns)),
        priority=plan.parameters.priority,
        parameters=plan.parameters.custom,
        signature=plan.parameters.signature,
    )
    return Decoded(request, plan.classes)


def _split(payload: bytes) -> tuple[bytes, bytes, int] | None:
    """The fields before the raw contents without the id, the id, and where the raw contents start.

    None where the message is not laid out like that, or is too long up to there.
    """
    id_start = id_end = id_text = at = 0
    end = min(len(payload), MAX_HEAD_BYTES)
    while at < end and (tag := payload[at]) != _RAW:
        if tag not in _BEFORE_RAW or at + 2 > end:
            return None
        size, start = payload[at + 1], at + 2
        if size > 0x7F:
            if start == end or payload[start] > 0x7F:
                return None
            size, start = size & 0x7F | payload[start] << 7, start + 1
        if tag == _ID:
            if id_end:
                return None
            id_start, id_text, id_end = at, start, start + size
        at = start + size
    if at > len(payload) or at > MAX_HEAD_BYTES:
        return None
    if not id_end:
        return payload[:at], b"", at
    return payload[:id_start] + payload[id_end:at], payload[id_text:id_end], at


@lru_cache(maxsize=_PLANS)
def _plan(head: bytes) -> _Plan | None:
    """What `head` says; None where it is wrong, or its contents are not all numbers and raw."""
    inputs: list[_Input] = []
    try:
        message = parse(pb.ModelInferRequest, head)
        model, version, parameters, outputs, classes = read_head(message)
        for position, tensor in enumerate(message.inputs):
            datatype = raw_header(tensor, position)
            shape = tuple(tensor.shape)
            size = byte_size(datatype, shape)
            if size is None or datatype is Datatype.BOOL:  # their contents have to be looked at
                return None
            inputs.append(
                _Input(tensor.name, datatype, shape, field_start(_RAW_INPUT_CONTENTS, size), size)
            )
    except ServingError:
        return None
    size = sum(len(one.start) + one.size for one in inputs)
    return _Plan(model, version, parameters, tuple(inputs), outputs, classes, size)
