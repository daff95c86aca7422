"""TensorFlow Serving's messages, short to write, for tests."""

from __future__ import annotations

import numpy as np

from protos import tf_core_pb2 as core
from protos import tfs_api_pb2 as pb

PREDICTION, MODEL = "/tensorflow.serving.PredictionService/", "/tensorflow.serving.ModelService/"
ANSWERS = {
    f"{PREDICTION}Predict": pb.PredictResponse,
    f"{PREDICTION}Classify": pb.ClassificationResponse,
    f"{PREDICTION}Regress": pb.RegressionResponse,
    f"{PREDICTION}MultiInference": pb.MultiInferenceResponse,
    f"{PREDICTION}GetModelMetadata": pb.GetModelMetadataResponse,
    f"{MODEL}GetModelStatus": pb.GetModelStatusResponse,
    f"{MODEL}HandleReloadConfigRequest": pb.ReloadConfigResponse,
}


def spec_of(model: str, **fields) -> pb.ModelSpec:
    version = fields.pop("version", None)
    spec = pb.ModelSpec(name=model, **fields)
    if version is not None:
        spec.version.value = version
    return spec


def array(values: object, dtype: str = "<f4") -> core.TensorProto:
    """A tensor with raw contents."""
    found = np.array(values, dtype)
    number = {"<f4": core.DT_FLOAT, "<i4": core.DT_INT32, "<f8": core.DT_DOUBLE}[dtype]
    proto = core.TensorProto(dtype=number, tensor_content=found.tobytes())
    proto.tensor_shape.SetInParent()
    for size in found.shape:
        proto.tensor_shape.dim.add(size=size)
    return proto


def strings(*values: bytes) -> core.TensorProto:
    proto = core.TensorProto(dtype=core.DT_STRING, string_val=values)
    proto.tensor_shape.dim.add(size=len(values))
    return proto


def predict(model: str = "rows", spec: dict | None = None, **inputs) -> pb.PredictRequest:
    message = pb.PredictRequest(model_spec=spec_of(model, **(spec or {})))
    for name, tensor in inputs.items():
        message.inputs[name].CopyFrom(tensor)
    return message


def example(**features: object) -> core.Example:
    found = core.Example()
    for name, value in features.items():
        values = value if isinstance(value, list) else [value]
        kind = {float: "float_list", int: "int64_list", bytes: "bytes_list"}[type(values[0])]
        getattr(found.features.feature[name], kind).value.extend(values)
    return found


def listed(*examples: core.Example, context: core.Example | None = None) -> pb.Input:
    if context is None:
        return pb.Input(example_list=pb.ExampleList(examples=examples))
    both = pb.ExampleListWithContext(examples=examples, context=context)
    return pb.Input(example_list_with_context=both)


NAMED = {"a": [1.0, 2.0], "b": 7, "c": b"x"}
GOOD = array([[1, 2]])
