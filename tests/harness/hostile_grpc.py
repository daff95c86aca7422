"""Good requests over gRPC, the means to spoil each of their parts, and what a refusal must be."""

from __future__ import annotations

import grpc
import pytest

from protos import inference_pb2 as pb
from tests.harness.hostile import IMAGE, check_discreet

SERVICE = "/inference.GRPCInferenceService/"

Request = pb.ModelInferRequest
Input = Request.InferInputTensor


def call(channel: grpc.Channel, method: str, message, **options) -> bytes:
    """The answer's bytes to `message`, which may itself be bytes that are no message."""
    payload = message if isinstance(message, bytes) else message.SerializeToString()
    # Serializers of None hand bytes over as they are.
    return channel.unary_unary(SERVICE + method)(payload, timeout=20, **options)


def refuse(channel, message, code, *texts: str, method: str = "ModelInfer", **options):
    with pytest.raises(grpc.RpcError) as raised:
        call(channel, method, message, **options)
    details = raised.value.details()
    assert raised.value.code() is code, details
    check_discreet(details)
    for text in texts:
        assert text in details


def tensor(**changes) -> Input:
    fields = {"name": "image", "datatype": "FP32", "shape": [1, 1, 8, 8]} | changes
    return Input(**fields)


def good(**changes) -> Request:
    """A good request with some of its fields changed."""
    fields = {
        "model_name": "digits-onnx",
        "inputs": [tensor()],
        "raw_input_contents": [IMAGE.tobytes()],
    }
    return Request(**(fields | changes))


def raw(data: bytes = IMAGE.tobytes(), **changes) -> Request:
    """A request with some fields of its one input changed."""
    return good(inputs=[tensor(**changes)], raw_input_contents=[data])


def typed(changes: dict | None = None, **contents) -> Request:
    """A request with typed contents instead of raw ones."""
    filled = tensor(**(changes or {}), contents=pb.InferTensorContents(**contents))
    return good(inputs=[filled], raw_input_contents=[])


def pair(*tensors: Input) -> Request:
    return Request(model_name="pair", inputs=tensors, raw_input_contents=[bytes(8)] * len(tensors))


def renamed(message: pb.ModelInferRequest, old: bytes, new: bytes) -> bytes:
    """The message's bytes with a text of equal length that Python's encoder would not write."""
    payload = message.SerializeToString()
    assert old in payload
    assert len(old) == len(new)
    return payload.replace(old, new, 1)
