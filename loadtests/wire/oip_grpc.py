"""The Open Inference Protocol over gRPC, with raw tensors both ways."""

from __future__ import annotations

from google.protobuf.message import DecodeError

from loadtests.samples.sample import Answers, Sample, array_of
from protos.inference_pb2 import ModelInferRequest, ModelInferResponse
from runtimes.contract.tensor import Datatype, Tensor

METHOD = "/inference.GRPCInferenceService/ModelInfer"


def request(model: str, sample: Sample) -> bytes:
    """A serialised ModelInferRequest."""
    message = ModelInferRequest(model_name=model)
    for item in sample.inputs:
        message.inputs.add(name=item.name, datatype=item.datatype, shape=item.array.shape)
        message.raw_input_contents.append(item.data)
    return message.SerializeToString()


def read(answer: bytes) -> Answers:
    """The outputs in a serialised ModelInferResponse; raises ValueError where it has none."""
    try:
        message = ModelInferResponse.FromString(answer)
    except DecodeError:
        raise ValueError("expected a ModelInferResponse") from None
    outputs = zip(message.outputs, message.raw_output_contents, strict=True)
    return {
        output.name: array_of(
            Tensor(output.name, Datatype(output.datatype), tuple(output.shape), content)
        )
        for output, content in outputs
    }


def version_of(answer: bytes) -> int:
    """The version that answered, 0 where it is not a number."""
    version = ModelInferResponse.FromString(answer).model_version
    return int(version) if version.isdecimal() and len(version) <= 9 else 0
