"""Predict requests with raw contents, read without copying those: what stands around them is read
once and remembered.

A client's requests say the same again and again, but for the contents of their tensors. What a
tensor says besides, and what a request says besides its inputs, is cut out and looked up. Whatever
is laid out in another way, and all that is wrong, is decoded the general way, so that there is one
place for every refusal.

A message less one of its fields is a message that means the rest: protobuf says that messages may
be joined by joining their bytes. For the same reason a packed list of floats is as good as raw
contents.
"""

from __future__ import annotations

from functools import lru_cache

from protos import tf_core_pb2 as core
from protos import tfs_api_pb2 as pb
from runtimes.contract.tensor import Datatype, Tensor, byte_size
from server.errors import InvalidArgument, ServingError
from server.frontends.grpc_wire import parse
from server.frontends.tf_serving.choice import ModelChoice
from server.frontends.tf_serving.datatypes import datatype_of
from server.frontends.tf_serving.predict_codec import MAX_NAMES, PredictCall, read_head
from server.frontends.tf_serving.tensors import shape_of
from server.frontends.tf_serving.varints import read_varint

MAX_HEAD_BYTES = 2048
"""What is longer without its contents is not remembered."""

_PLANS = 1024
_LENGTH_DELIMITED = 2
_VARINT = 0
_SPEC = pb.PredictRequest.MODEL_SPEC_FIELD_NUMBER << 3 | _LENGTH_DELIMITED
_INPUTS = pb.PredictRequest.INPUTS_FIELD_NUMBER << 3 | _LENGTH_DELIMITED
_FILTER = pb.PredictRequest.OUTPUT_FILTER_FIELD_NUMBER << 3 | _LENGTH_DELIMITED
_KEY, _VALUE = 1 << 3 | _LENGTH_DELIMITED, 2 << 3 | _LENGTH_DELIMITED
_DTYPE = core.TensorProto.DTYPE_FIELD_NUMBER << 3 | _VARINT
_SHAPE = core.TensorProto.TENSOR_SHAPE_FIELD_NUMBER << 3 | _LENGTH_DELIMITED
_VERSION = core.TensorProto.VERSION_NUMBER_FIELD_NUMBER << 3 | _VARINT
_CONTENT = core.TensorProto.TENSOR_CONTENT_FIELD_NUMBER << 3 | _LENGTH_DELIMITED
_RAW: dict[int, tuple[Datatype, ...]] = {
    _CONTENT: tuple(set(Datatype) - {Datatype.BOOL, Datatype.BYTES}),
    core.TensorProto.FLOAT_VAL_FIELD_NUMBER << 3 | _LENGTH_DELIMITED: (Datatype.FP32,),
    core.TensorProto.DOUBLE_VAL_FIELD_NUMBER << 3 | _LENGTH_DELIMITED: (Datatype.FP64,),
}
"""Fields that hold a tensor's bytes as they are, for which datatypes; the contents of others have
to be looked at."""


def decode_planned(payload: bytes) -> PredictCall | None:
    """The same as `decode_predict`, tensors being views into `payload`; None where that has to do
    it.
    """
    head = bytearray()
    inputs: list[Tensor] = []
    at, end = 0, len(payload)
    try:
        while at < end:
            tag, begin = payload[at], at
            size, at = read_varint(payload, at + 1)
            at, start = at + size, at
            if tag == _INPUTS and len(inputs) < MAX_NAMES:
                tensor = _input(payload, start, at)
                if tensor is None:
                    return None
                inputs.append(tensor)
            elif tag in (_SPEC, _FILTER) and len(head) + at - begin <= MAX_HEAD_BYTES:
                head += payload[begin:at]
            else:
                return None
    except InvalidArgument:
        return None
    plan = _plan(bytes(head)) if at == end else None
    if plan is None or len({tensor.name for tensor in inputs}) != len(inputs):
        return None
    return PredictCall(plan[0], tuple(inputs), plan[1])


def _input(payload: bytes, at: int, end: int) -> Tensor | None:
    """The input whose map entry is `payload[at:end]`."""
    if end > len(payload) or end - at < 4 or payload[at] != _KEY:
        return None
    size, start = read_varint(payload, at + 1)
    at = start + size
    if at >= end or size > MAX_HEAD_BYTES or payload[at] != _VALUE:
        return None
    key = payload[start:at]
    size, at = read_varint(payload, at + 1)
    return _tensor(payload, at, end, key) if at + size == end else None


def _tensor(payload: bytes, at: int, end: int, key: bytes) -> Tensor | None:
    """The tensor `payload[at:end]`, which is called `key`."""
    begin, field, content_at, start, size = at, 0, at, at, 0
    while at < end:
        tag = payload[at]
        value, after = read_varint(payload, at + 1)
        if tag in _RAW:
            if field:
                return None
            field, start, size, content_at = tag, after, value, at
            after += value
        elif tag == _SHAPE:
            after += value
        elif tag not in (_DTYPE, _VERSION):
            return None
        at = after
    if at != end or not field or end - begin - size > MAX_HEAD_BYTES:
        return None
    around = payload[begin:content_at] + payload[start + size : end]
    told = _header(key, around, field)
    if told is None or told[3] != size:
        return None
    return Tensor(told[0], told[1], told[2], memoryview(payload)[start : start + size])


@lru_cache(maxsize=_PLANS)
def _header(
    key: bytes, around: bytes, field: int
) -> tuple[str, Datatype, tuple[int, ...], int] | None:
    """Name, datatype, shape and size of a tensor that is `around` without its contents, which are
    in `field`; None where it is wrong.
    """
    try:
        name = key.decode()
        message = parse(core.TensorProto, around)
        datatype = datatype_of(name, message.dtype)
        shape = shape_of(name, message.tensor_shape)
    except (ServingError, UnicodeDecodeError):
        return None
    size = byte_size(datatype, shape)
    if size is None or datatype not in _RAW[field]:
        return None
    return name, datatype, shape, size


@lru_cache(maxsize=_PLANS)
def _plan(head: bytes) -> tuple[ModelChoice, tuple[str, ...]] | None:
    """What a PredictRequest without its inputs says; None where it is wrong."""
    try:
        return read_head(parse(pb.PredictRequest, head))
    except ServingError:
        return None
