"""TensorFlow Serving's gRPC services without a transport: answers, codes and words."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from protos import tf_core_pb2 as core
from protos import tfs_api_pb2 as pb
from server.errors import (
    FailedPrecondition,
    Internal,
    InvalidArgument,
    NotFound,
    ServingError,
    TooLarge,
    Unavailable,
    Unsupported,
)
from server.frontends.calls import CallContext
from server.frontends.limits import FrontendLimits
from server.frontends.tf_serving.servicer import TfServingServicer
from tests.unit.server.frontends.tf_serving.serving_double import CLASSIFY, REGRESS, Planes

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


@pytest.fixture
def planes() -> Planes:
    return Planes()


@pytest.fixture
def ask(planes):
    """Calls a method of either service."""
    servicer = TfServingServicer(planes, planes, FrontendLimits(max_message_bytes=10_000))

    async def asked(path: str, message, deadline_ns: int = 0):
        reply = await servicer.unary[path](
            message.SerializeToString(), CallContext(deadline_ns=deadline_ns)
        )
        return ANSWERS[path].FromString(reply)

    return asked


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

# ---- Predict ------------------------------------------------------------------------------------


async def test_an_answer_says_which_version_and_signature_gave_it(ask):
    answer = await ask(f"{PREDICTION}Predict", predict(x=array([[1, 2]])))

    assert answer.model_spec == spec_of("rows", version=3, signature_name="serving_default")
    assert list(answer.outputs["x"].float_val) == [1, 2]
    assert [dim.size for dim in answer.outputs["x"].tensor_shape.dim] == [1, 2]


@pytest.mark.parametrize("spec", [{"version": 3}, {"version_label": "stable"}, {}])
async def test_a_version_is_chosen_by_number_label_or_not_at_all(ask, planes, spec):
    answer = await ask(f"{PREDICTION}Predict", predict(spec=spec, x=array([[1, 2]])))

    assert answer.model_spec.version.value == 3
    assert planes.asked[0].version == str(spec.get("version", spec.get("version_label", "")))


async def test_a_signature_is_chosen_by_name(ask, planes):
    message = predict("signed", {"signature_name": "second"}, z=array([5], "<i4"))

    answer = await ask(f"{PREDICTION}Predict", message)

    assert answer.model_spec.signature_name == "second"
    assert list(answer.outputs["z"].int_val) == [5]
    assert planes.asked[0].signature == "second"


async def test_a_model_without_signatures_of_its_own_has_the_default_one(ask):
    message = predict(spec={"signature_name": "serving_default"}, x=array([[1, 2]]))

    assert (await ask(f"{PREDICTION}Predict", message)).model_spec.version.value == 3


async def test_inputs_may_come_in_any_order_and_outputs_are_filtered(ask, planes):
    message = predict("pair", b=strings(b"s"), a=array([1], "<i4"))
    message.output_filter.append("b")

    answer = await ask(f"{PREDICTION}Predict", message)

    assert list(answer.outputs) == ["b"]
    assert list(answer.outputs["b"].string_val) == [b"s"]
    assert [tensor.name for tensor in planes.asked[0].inputs] == ["a", "b"]


async def test_the_calls_deadline_is_the_requests(ask, planes):
    await ask(f"{PREDICTION}Predict", predict(x=array([[1, 2]])), deadline_ns=123)

    assert planes.asked[0].deadline_ns == 123


GOOD = array([[1, 2]])
REFUSED = {
    "no model": (pb.PredictRequest(), InvalidArgument, "Missing ModelSpec"),
    "no name": (predict("", {"version": 3}), InvalidArgument, "ModelSpec has no name"),
    "model": (predict("nope"), NotFound, "Servable not found for request: Latest(nope)"),
    "version": (
        predict(spec={"version": 9}), NotFound, "Servable not found for request: Specific(rows, 9)",
    ),
    "label": (
        predict(spec={"version_label": "new"}),
        InvalidArgument,
        "Unrecognized servable version label: new",
    ),
    "a number as a label": (
        predict(spec={"version_label": "3"}),
        InvalidArgument,
        "Unrecognized servable version label: 3",
    ),
    "signature": (
        predict("signed", {"signature_name": "x"}, x=array([1])),
        FailedPrecondition,
        'Serving signature key "x" not found.',
    ),
    "not ready": (predict("asleep"), Unavailable, "'asleep' version 1 is not at ready state"),
    "missing": (
        predict("pair", a=array([1], "<i4")),
        InvalidArgument,
        "input size does not match signature: 1!=2 len({a}) != len({a,b}). Sent extra: {}. "
        "Missing but required: {b}.",
    ),
    "extra": (
        predict(x=GOOD, z=GOOD),
        InvalidArgument,
        "input size does not match signature: 2!=1 len({x,z}) != len({x}). Sent extra: {z}. "
        "Missing but required: {}.",
    ),
    "another name": (
        predict(z=GOOD),
        InvalidArgument,
        "input tensor alias not found in signature: z. Inputs expected to be in the set {x}.",
    ),
    "dtype": (
        predict(x=array([[1, 2]], "<i4")),
        InvalidArgument,
        "inference input 'x' data-type is 'INT32', but model 'rows' expects 'FP32'",
    ),
    "shape": (predict(x=array([1])), InvalidArgument, "unexpected shape for input 'x'"),
    "too much": (
        predict(x=core.TensorProto(
            dtype=1, float_val=[1],
            tensor_shape={"dim": [{"size": 5000}, {"size": 2}]},
        )),
        TooLarge,
        "input 'x' takes 39996 bytes when it is written out",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("message", "kind", "words"), REFUSED.values(), ids=REFUSED)
async def test_what_predict_refuses_is_said_in_tensorflow_servings_words(ask, message, kind, words):
    with pytest.raises(kind) as refused:
        await ask(f"{PREDICTION}Predict", message)
    assert words in refused.value.message


@pytest.mark.parametrize(
    ("outputs", "words"),
    [
        (
            ["q"],
            "output tensor alias not found in signature: q Outputs expected to be in the set {x}.",
        ),
        (["x", "x"], "duplicate output tensor alias: x"),
    ],
)  # fmt: skip
async def test_outputs_that_cannot_be_given_are_refused(ask, outputs, words):
    message = predict(x=GOOD)
    message.output_filter.extend(outputs)
    with pytest.raises(InvalidArgument) as refused:
        await ask(f"{PREDICTION}Predict", message)
    assert refused.value.message == words


async def test_an_errors_text_is_cut_at_1024_characters(ask, planes):
    planes.failure = Internal("x" * 5000)
    with pytest.raises(Internal) as refused:
        await ask(f"{PREDICTION}Predict", predict(x=GOOD))
    assert refused.value.message == "x" * 1024


async def test_a_message_that_is_none_is_refused(planes):
    servicer = TfServingServicer(planes, planes, FrontendLimits())
    for path in ANSWERS:
        with pytest.raises(InvalidArgument, match="is not a valid"):
            await servicer.unary[path](b"\xff", CallContext())


# ---- Classify, Regress, MultiInference ----------------------------------------------------------


def classes(result: pb.ClassificationResult) -> list[list[tuple[str, float]]]:
    return [[(one.label, one.score) for one in row.classes] for row in result.classifications]


async def test_a_signature_for_examples_gets_them_serialized(ask, planes):
    examples = [example(x=1.0), example(x=2.0)]
    message = pb.ClassificationRequest(
        model_spec=spec_of("signed", signature_name="to_classes"), input=listed(*examples)
    )

    answer = await ask(f"{PREDICTION}Classify", message)

    assert answer.model_spec == spec_of("signed", version=3, signature_name="to_classes")
    assert classes(answer.result) == [[("no", 0.0), ("yes", 0.25)], [("no", 0.5), ("yes", 0.75)]]
    (tensor,) = planes.asked[0].inputs
    assert (tensor.name, tensor.shape) == ("inputs", (2,))
    assert planes.asked[0].outputs == ("classes", "scores")


async def test_a_context_is_part_of_every_example_which_may_overrule_it(ask, planes):
    message = pb.RegressionRequest(
        model_spec=spec_of("signed", signature_name="to_values"),
        input=listed(example(x=1.0), example(y=2.0), context=example(x=9.0, k=b"v")),
    )

    answer = await ask(f"{PREDICTION}Regress", message)

    assert [one.value for one in answer.result.regressions] == [0.0, 0.25]
    first, second = _examples(planes.asked[0].inputs[0].data)
    assert first == example(x=1.0, k=b"v")
    assert second == example(x=9.0, y=2.0, k=b"v")


def _examples(data: bytes) -> Sequence[core.Example]:
    from runtimes.contract.tensor import unpack_bytes

    return [core.Example.FromString(one) for one in unpack_bytes(data)]


async def test_any_other_signature_gets_the_features_it_names(ask, planes):
    message = pb.ClassificationRequest(
        model_spec=spec_of("named"), input=listed(example(**NAMED), example(a=[3, 4], b=8, c=b"y"))
    )

    answer = await ask(f"{PREDICTION}Classify", message)

    assert classes(answer.result)[0] == [("cat", 0.0), ("dog", 0.25)]
    a, b, c = planes.asked[0].inputs
    assert np.frombuffer(a.data, "<f4").tolist() == [1, 2, 3, 4]
    assert (a.shape, b.shape, c.shape) == ((2, 2), (2,), (2,))
    assert np.frombuffer(b.data, "<i8").tolist() == [7, 8]


async def test_several_signatures_are_asked_with_the_same_examples(ask):
    message = pb.MultiInferenceRequest(
        tasks=[
            pb.InferenceTask(model_spec=spec_of("signed", signature_name=name), method_name=method)
            for name, method in (("to_classes", CLASSIFY), ("to_values", REGRESS))
        ],
        input=listed(example(x=1.0)),
    )

    first, second = (await ask(f"{PREDICTION}MultiInference", message)).results

    assert classes(first.classification_result) == [[("no", 0.0), ("yes", 0.25)]]
    assert [one.value for one in second.regression_result.regressions] == [0.0]
    assert second.model_spec == spec_of("signed", version=3, signature_name="to_values")


ONE = listed(example(x=1.0))
EXAMPLE_REFUSALS = {
    "empty": ("signed", "to_classes", listed(), InvalidArgument, "Input is empty."),
    "signature": (
        "signed", "nope", ONE, InvalidArgument, "No signature was found with the name: nope",
    ),
    "method": (
        "signed", "to_values", ONE, InvalidArgument,
        "Expected classification signature method_name to be tensorflow/serving/classify. Was: "
        "tensorflow/serving/regress",
    ),
    "outputs": (
        "pair", "", ONE, InvalidArgument, "example 0 has no feature 'a', which the model takes",
    ),
    "no classes": (
        "ints", "", ONE, FailedPrecondition,
        'Expected classification signature outputs to contain at least one of "classes" or '
        '"scores"',
    ),
    "feature": ("named", "", listed(example(a=[1.0, 2.0])), InvalidArgument, "no feature 'b'"),
    "kind": (
        "named", "", listed(example(**NAMED | {"a": b"text"})), InvalidArgument,
        "feature 'a' of example 0 is a list of bytes, but the model takes FP32",
    ),
    "ragged": (
        "named", "", listed(example(**NAMED), example(**NAMED | {"a": 1.0})), InvalidArgument,
        "input 'a' has rows of 1 to 2 values",
    ),
    "width": (
        "named", "", listed(example(**NAMED | {"a": [1.0, 2.0, 3.0]})), InvalidArgument,
        "feature 'a' has 3 values for an example, but a row of the model's input has shape [2]",
    ),
    "huge context": (
        "signed", "to_classes", listed(*[example()] * 100, context=example(x=b"x" * 200)),
        TooLarge, "the context of the examples takes",
    ),
}  # fmt: skip


@pytest.mark.parametrize(
    ("model", "signature", "given", "kind", "words"),
    EXAMPLE_REFUSALS.values(),
    ids=EXAMPLE_REFUSALS,
)  # fmt: skip
async def test_what_classify_refuses_is_said(ask, model, signature, given, kind, words):
    message = pb.ClassificationRequest(
        model_spec=spec_of(model, signature_name=signature), input=given
    )
    with pytest.raises(kind) as refused:
        await ask(f"{PREDICTION}Classify", message)
    assert words in refused.value.message


@pytest.mark.parametrize(
    ("tasks", "kind", "words"),
    [
        ([], InvalidArgument, "0 tasks, expected 1 to 64"),
        ([("rows", "", "predict")], Unsupported, "Unsupported signature method_name: predict"),
        ([("rows", "", CLASSIFY), ("ints", "", REGRESS)], InvalidArgument, "name one model"),
        ([("rows", "s", CLASSIFY)] * 2, InvalidArgument, "Duplicate evaluation of signature: s"),
    ],
)
async def test_tasks_that_cannot_be_done_together_are_refused(ask, tasks, kind, words):
    message = pb.MultiInferenceRequest(input=ONE)
    for model, signature, method in tasks:
        message.tasks.add(model_spec=spec_of(model, signature_name=signature), method_name=method)
    with pytest.raises(kind, match=words):
        await ask(f"{PREDICTION}MultiInference", message)


# ---- metadata, status, reload -------------------------------------------------------------------


async def test_metadata_has_every_signature(ask):
    message = pb.GetModelMetadataRequest(
        model_spec=spec_of("signed"), metadata_field=["signature_def"]
    )

    answer = await ask(f"{PREDICTION}GetModelMetadata", message)

    assert answer.model_spec == spec_of("signed", version=3)
    packed = answer.metadata["signature_def"]
    assert packed.type_url == "type.googleapis.com/tensorflow.serving.SignatureDefMap"
    found = pb.SignatureDefMap.FromString(packed.value).signature_def
    assert set(found) == {"serving_default", "second", "to_classes", "to_values"}
    assert found["to_classes"].method_name == CLASSIFY
    info = found["second"].inputs["z"]
    assert (info.dtype, [dim.size for dim in info.tensor_shape.dim]) == (core.DT_INT32, [-1])


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ([], "GetModelMetadataRequest must specify at least one metadata_field"),
        (["x"], "Metadata field x is not supported"),
    ],
)
async def test_other_metadata_is_refused(ask, fields, words):
    message = pb.GetModelMetadataRequest(model_spec=spec_of("rows"), metadata_field=fields)
    with pytest.raises(InvalidArgument, match=words):
        await ask(f"{PREDICTION}GetModelMetadata", message)


async def status(ask, model: str, **spec) -> list[tuple[int, str, int, str]]:
    message = pb.GetModelStatusRequest(model_spec=spec_of(model, **spec))
    answer = await ask(f"{MODEL}GetModelStatus", message)
    return [
        (one.version, pb.ModelVersionStatus.State.Name(one.state), one.status.error_code,
         one.status.error_message)
        for one in answer.model_version_status
    ]  # fmt: skip


async def test_states_are_tensorflow_servings_newest_version_first(ask):
    assert await status(ask, "rows") == [
        (5, "LOADING", 0, ""),
        (4, "START", 2, "incomplete"),
        (3, "AVAILABLE", 0, ""),
        (2, "UNLOADING", 0, ""),
        (1, "END", 0, ""),
    ]


async def test_a_failure_is_told_in_status(ask):
    assert await status(ask, "broken") == [(1, "END", 2, "no such op")]


@pytest.mark.parametrize("spec", [{"version": 3}, {"version_label": "stable"}])
async def test_the_status_of_one_version_is_told(ask, spec):
    assert await status(ask, "rows", **spec) == [(3, "AVAILABLE", 0, "")]


@pytest.mark.parametrize(
    ("model", "spec", "kind", "words"),
    [
        ("nope", {}, NotFound, "Could not find any versions of model nope"),
        ("empty", {}, NotFound, "Could not find any versions of model empty"),
        ("rows", {"version": 9}, NotFound, "Could not find version 9 of model rows"),
        ("rows", {"version_label": "x"}, InvalidArgument, "Unrecognized servable version label: x"),
    ],
)
async def test_the_status_of_what_is_not_there_is_refused(ask, model, spec, kind, words):
    with pytest.raises(kind, match=words):
        await status(ask, model, **spec)


async def test_a_reload_replaces_all_models(ask, planes):
    message = pb.ReloadConfigRequest()
    message.config.model_config_list.config.add(
        name="a", base_path="/models/a", model_platform="tensorflow"
    )

    answer = await ask(f"{MODEL}HandleReloadConfigRequest", message)

    assert answer.status.error_code == 0
    ((model,),) = planes.replaced
    assert (model.name, model.base_path) == ("a", "/models/a")


@pytest.mark.parametrize(
    ("fill", "words"),
    [
        (lambda config: config.custom_model_config.SetInParent(), "Only ModelConfigList is"),
        (lambda config: config.model_config_list.config.add(name="a"), "base_path"),
        (lambda config: None, "expected model_config_list"),
    ],
)
async def test_a_config_that_is_none_is_refused(ask, planes, fill, words):
    message = pb.ReloadConfigRequest()
    fill(message.config)
    with pytest.raises(InvalidArgument, match=words):
        await ask(f"{MODEL}HandleReloadConfigRequest", message)
    assert planes.replaced == []


async def test_a_reload_that_fails_is_the_calls_error(ask, planes):
    planes.failure = Unsupported("the server has no model config")
    message = pb.ReloadConfigRequest()
    message.config.model_config_list.config.add(name="a", base_path="/models/a")
    with pytest.raises(ServingError, match="no model config"):
        await ask(f"{MODEL}HandleReloadConfigRequest", message)
