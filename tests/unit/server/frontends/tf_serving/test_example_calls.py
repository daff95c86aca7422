"""Classify, Regress and MultiInference without a transport: answers, codes and words."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from protos import tf_core_pb2 as core
from protos import tfs_api_pb2 as pb
from server.errors import (
    FailedPrecondition,
    InvalidArgument,
    TooLarge,
    Unsupported,
)
from tests.unit.server.frontends.tf_serving.messages import (
    NAMED,
    PREDICTION,
    example,
    listed,
    spec_of,
)
from tests.unit.server.frontends.tf_serving.serving_double import CLASSIFY, REGRESS


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


async def test_several_signatures_are_asked_with_the_same_examples(ask, planes):
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
    assert len(planes.exchanges) == 2


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
