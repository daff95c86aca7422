"""Child of test_tf_serving: an ordinary client of TensorFlow Serving, on its own stubs.

A process of its own: its messages have the names of ours. Usage: python serving_client.py ADDRESS
ADDRESS is the gRPC port; the answers go to standard output as JSON, by question. A refusal is
{"code", "details"}.
"""

import json
import sys
from collections.abc import Callable

import grpc
import numpy as np
import tensorflow as tf
from tensorflow.core.framework.tensor_pb2 import TensorProto
from tensorflow_serving.apis import (
    classification_pb2,
    get_model_metadata_pb2,
    get_model_status_pb2,
    inference_pb2,
    input_pb2,
    model_management_pb2,
    model_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
    regression_pb2,
)

CLASSIFY, REGRESS = "tensorflow/serving/classify", "tensorflow/serving/regress"
channel = grpc.insecure_channel(sys.argv[1], options=[("grpc.max_send_message_length", -1)])
prediction = prediction_service_pb2_grpc.PredictionServiceStub(channel)
models = model_service_pb2_grpc.ModelServiceStub(channel)
image = np.linspace(0, 1, 128, dtype=np.float32).reshape(2, 1, 8, 8)


def spec(name: str, **fields) -> model_pb2.ModelSpec:
    version = fields.pop("version", None)
    found = model_pb2.ModelSpec(name=name, **fields)
    if version is not None:
        found.version.value = version
    return found


def predict(name: str, inputs: dict, outputs: tuple = (), **fields) -> dict:
    request = predict_pb2.PredictRequest(model_spec=spec(name, **fields), output_filter=outputs)
    for key, value in inputs.items():
        proto = value if isinstance(value, TensorProto) else tf.make_tensor_proto(value)
        request.inputs[key].CopyFrom(proto)
    answer = prediction.Predict(request, timeout=60)
    told = answer.model_spec
    return {
        "by": [told.name, told.version.value, told.signature_name],
        "outputs": {name: plain(proto) for name, proto in answer.outputs.items()},
    }


def plain(proto) -> list:
    values = tf.make_ndarray(proto)
    if values.dtype != object:
        return values.tolist()
    texts = [value.decode("latin-1") for value in values.flat]
    return np.array(texts, object).reshape(values.shape).tolist()


def listed(*values: float) -> input_pb2.Input:
    found = input_pb2.Input()
    for value in values:
        example = found.example_list.examples.add()
        example.features.feature["x"].float_list.value.append(value)
    return found


def classify(**fields) -> list:
    request = classification_pb2.ClassificationRequest(
        model_spec=spec("half", **fields), input=listed(2, 4)
    )
    result = prediction.Classify(request, timeout=60).result
    return [[[one.label, one.score] for one in row.classes] for row in result.classifications]


def regress(**fields) -> list:
    request = regression_pb2.RegressionRequest(
        model_spec=spec("half", **fields), input=listed(2, 4)
    )
    return [one.value for one in prediction.Regress(request, timeout=60).result.regressions]


def both() -> list:
    request = inference_pb2.MultiInferenceRequest(input=listed(2))
    for name, method in (("to_classes", CLASSIFY), ("to_values", REGRESS)):
        request.tasks.add(model_spec=spec("half", signature_name=name), method_name=method)
    first, second = prediction.MultiInference(request, timeout=60).results
    return [
        first.classification_result.classifications[0].classes[1].score,
        second.regression_result.regressions[0].value,
        second.model_spec.version.value,
    ]


def metadata(name: str) -> dict:
    request = get_model_metadata_pb2.GetModelMetadataRequest(
        model_spec=spec(name), metadata_field=["signature_def"]
    )
    answer = prediction.GetModelMetadata(request, timeout=60)
    found = get_model_metadata_pb2.SignatureDefMap()
    assert answer.metadata["signature_def"].Unpack(found)
    return {
        name: [
            one.method_name,
            {key: [info.dtype, [dim.size for dim in info.tensor_shape.dim]]
             for key, info in (*one.inputs.items(), *one.outputs.items())},
        ]
        for name, one in found.signature_def.items()
    }  # fmt: skip


def status(name: str, **fields) -> list:
    request = get_model_status_pb2.GetModelStatusRequest(model_spec=spec(name, **fields))
    state = get_model_status_pb2.ModelVersionStatus.State.Name
    return [
        [one.version, state(one.state), one.status.error_code, bool(one.status.error_message)]
        for one in models.GetModelStatus(request, timeout=60).model_version_status
    ]


def reload_config() -> None:
    request = model_management_pb2.ReloadConfigRequest()
    request.config.model_config_list.config.add(name="half", base_path="/models/half")
    models.HandleReloadConfigRequest(request, timeout=60)


def far_too_large() -> dict:
    proto = TensorProto(dtype=1, float_val=[1.0])
    for size in (2**20, 2**10):
        proto.tensor_shape.dim.add(size=size)
    return predict("half", {"x": proto})


x = {"x": np.array([1, 2, 5], np.float32)}
pair = {"left": np.ones((2, 2), np.float32), "right": np.zeros((2, 2), np.float32)}
raw = {"data_bytes": np.array([b"\xff\0", b""], object)}
bf16 = {"x": tf.constant([1.0], tf.bfloat16).numpy()}

QUESTIONS: dict[str, Callable] = {
    "half": lambda: predict("half", x),
    "half by version": lambda: predict("half", x, version=123, signature_name="serving_default"),
    "one value for all": lambda: predict("half", {"x": tf.make_tensor_proto(4.0, shape=[3])}),
    "keras": lambda: predict("keras", pair),
    "strings": lambda: predict("strings", {"text": ["straße", "a"]}),
    "filtered": lambda: predict("strings", {"text": ["ab"]}, ("length",)),
    "echo": lambda: predict("strings", raw, signature_name="echo"),
    "digits-savedmodel": lambda: predict("digits-savedmodel", {"image": image}),
    "digits-onnx": lambda: predict("digits-onnx", {"image": image}),
    "digits-onnx by label": lambda: predict("digits-onnx", {"image": image}, version_label="live"),
    "classify": lambda: classify(signature_name="to_classes"),
    "regress": lambda: regress(signature_name="to_values"),
    "both": both,
    "metadata": lambda: metadata("half"),
    "metadata of onnx": lambda: metadata("digits-onnx"),
    "status": lambda: status("half"),
    "status of a failure": lambda: status("broken"),
    "no model": lambda: predict("nope", x),
    "no version": lambda: predict("half", x, version=7),
    "no label": lambda: predict("half", x, version_label="nope"),
    "no signature": lambda: predict("half", x, signature_name="nope"),
    "no signature to classify": lambda: classify(signature_name="nope"),
    "wrong method": lambda: classify(signature_name="to_values"),
    "missing input": lambda: predict("keras", {"left": pair["left"]}),
    "extra input": lambda: predict("half", {**x, "z": x["x"]}),
    "wrong dtype": lambda: predict("half", {"x": np.array([1], np.int32)}),
    "another wrong dtype": lambda: predict("half", bf16),
    "no output": lambda: predict("half", x, ("q",)),
    "repeated too often": far_too_large,
    "too large": lambda: predict("half", {"x": np.zeros(300_000, np.float32)}),
    "no status": lambda: status("nope"),
    "reload": reload_config,
}


def ask(question: Callable) -> object:
    try:
        return question()
    except grpc.RpcError as error:
        return {"code": error.code().name, "details": error.details()}


print(json.dumps({name: ask(question) for name, question in QUESTIONS.items()}))
