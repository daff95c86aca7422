"""TensorFlow Serving's Predict over gRPC: raw tensors out, raw or typed lists back."""

from __future__ import annotations

import math

import numpy as np
from google.protobuf.message import DecodeError

from loadtests.samples.sample import DTYPES, Answers, Array, Input, Sample
from protos import tf_core_pb2 as core
from protos import tfs_api_pb2 as pb
from runtimes.contract.tensor import Datatype
from server.frontends.tf_serving.datatypes import LISTS, TENSORFLOW

METHOD = "/tensorflow.serving.PredictionService/Predict"

_DATATYPES = {number: datatype for datatype, number in TENSORFLOW.items()}


def request(model: str, sample: Sample) -> bytes:
    """A serialised PredictRequest for the default version and signature."""
    message = pb.PredictRequest(model_spec=pb.ModelSpec(name=model))
    for item in sample.inputs:
        message.inputs[item.name].CopyFrom(_tensor(item))
    return message.SerializeToString()


def read(answer: bytes) -> Answers:
    """The outputs in a serialised PredictResponse; raises ValueError where it has none to read."""
    try:
        message = pb.PredictResponse.FromString(answer)
    except DecodeError:
        raise ValueError("expected a PredictResponse") from None
    return {name: _array(name, proto) for name, proto in message.outputs.items()}


def version_of(answer: bytes) -> int:
    """The version that answered, 0 where it is not told."""
    return pb.PredictResponse.FromString(answer).model_spec.version.value


def _tensor(item: Input) -> core.TensorProto:
    """In `tensor_content`, but texts in their list: clients of TensorFlow write both so."""
    proto = core.TensorProto(dtype=TENSORFLOW[item.datatype])
    proto.tensor_shape.SetInParent()  # without dimensions it is a scalar's
    for size in item.array.shape:
        proto.tensor_shape.dim.add(size=size)
    if item.datatype is Datatype.BYTES:
        proto.string_val.extend(item.array.ravel().tolist())
    else:
        proto.tensor_content = item.data
    return proto


def _array(name: str, proto: core.TensorProto) -> Array:
    datatype = _DATATYPES.get(proto.dtype)
    if datatype is None:
        raise ValueError(f"output '{name}' has dtype {proto.dtype}, which no sample has")
    shape = tuple(dim.size for dim in proto.tensor_shape.dim)
    if datatype is Datatype.BYTES:
        return np.array([*proto.string_val, None], object)[:-1].reshape(shape)
    dtype = DTYPES[datatype]
    if proto.tensor_content:
        return np.frombuffer(proto.tensor_content, dtype).reshape(shape)
    bits = "<u2" if datatype is Datatype.FP16 else dtype  # its list holds no numbers
    values = np.array(getattr(proto, LISTS[datatype]), bits).view(dtype)
    # The last value stands for those that are left out (tensorflow/core/framework/tensor.proto).
    return np.pad(values, (0, math.prod(shape) - len(values)), "edge").reshape(shape)
