"""Predict without a transport: answers, codes and words."""

from __future__ import annotations

import pytest

from protos import tf_core_pb2 as core
from protos import tfs_api_pb2 as pb
from runtimes.contract.codes import Code
from server.errors import (
    FailedPrecondition,
    Internal,
    InvalidArgument,
    NotFound,
    TooLarge,
    Unavailable,
)
from server.frontends.calls import CallContext
from server.frontends.limits import FrontendLimits
from server.frontends.tf_serving.servicer import TfServingServicer
from tests.unit.server.frontends.tf_serving.messages import (
    ANSWERS,
    GOOD,
    PREDICTION,
    array,
    predict,
    spec_of,
    strings,
)


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


async def test_whatever_comes_of_a_call_is_counted(ask, planes):
    await ask(f"{PREDICTION}Predict", predict(x=GOOD))
    with pytest.raises(NotFound):
        await ask(f"{PREDICTION}Predict", predict("nope", x=GOOD))

    assert [(exchange.model, code) for exchange, code in planes.exchanges] == [
        ("rows", None), ("nope", Code.NOT_FOUND),
    ]  # fmt: skip
    assert planes.exchanges[0][0].bytes_in == len(predict(x=GOOD).SerializeToString())
