"""TensorFlow Serving's own client stubs, and plain HTTP, against SavedModels of every kind and an
ONNX model: answers, and the codes and words of refusals.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import httpx
import numpy as np
import pytest

from tests.harness.server_process import serving

HERE = Path(__file__).parent

pytestmark = pytest.mark.skipif(
    find_spec("tensorflow_serving") is None,
    reason="tensorflow-serving-api is not installed; make test sets it up",
)
IMAGES = np.linspace(0, 1, 128, dtype=np.float32).reshape(2, 1, 8, 8).tolist()


def run(program: str, *arguments: object) -> str:
    """A program with TensorFlow in a process of its own; its output."""
    done = subprocess.run(
        [sys.executable, str(HERE / program), *map(str, arguments)],
        capture_output=True, text=True, timeout=110, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def server(demo_repository, tmp_path_factory):
    root = tmp_path_factory.mktemp("models")
    run("serving_models.py", root)
    for name in ("digits-savedmodel", "digits-onnx"):
        shutil.copytree(demo_repository / name, root / name)
    (root / "digits-onnx/model.yaml").write_text("labels: {live: 1}\n")
    (root / "broken/1").mkdir(parents=True)
    (root / "broken/1/model.onnx").write_bytes(b"nothing")
    with serving(root, arguments=("--max-message-bytes", "1000000")) as started:
        yield started


@pytest.fixture(scope="module")
def told(server):
    """What TensorFlow Serving's client was told, by question; see serving_client.py."""
    return json.loads(run("serving_client.py", server.grpc_address))


@pytest.fixture
def post(server):
    def posted(model: str, body: object, method: str = "predict") -> httpx.Response:
        return httpx.post(f"{server.url}/v1/models/{model}:{method}", json=body, timeout=60)

    return posted


# ---- gRPC ---------------------------------------------------------------------------------------

ANSWERS = {
    "half": {"by": ["half", 123, "serving_default"], "outputs": {"y": [2.5, 3.0, 4.5]}},
    "half by version": {"by": ["half", 123, "serving_default"], "outputs": {"y": [2.5, 3.0, 4.5]}},
    "one value for all": {"by": ["half", 123, "serving_default"], "outputs": {"y": [4.0] * 3}},
    "filtered": {"by": ["strings", 1, "serving_default"], "outputs": {"length": [2]}},
    "echo": {"by": ["strings", 1, "echo"], "outputs": {"echoed_bytes": ["\xff\0", ""]}},
    "classify": [[["low", -3.0], ["high", 3.0]], [["low", -4.0], ["high", 4.0]]],
    "regress": [3.0, 4.0],
    "both": [3.0, 3.0, 123],
    "status": [[123, "AVAILABLE", 0, False]],
    "status of a failure": [[1, "END", 2, True]],
    "metadata": {
        "serving_default": ["tensorflow/serving/predict", {"x": [1, [-1]], "y": [1, [-1]]}],
        "to_classes": [
            "tensorflow/serving/classify",
            {"inputs": [7, [-1]], "classes": [7, [-1, 2]], "scores": [1, [-1, 2]]},
        ],
        "to_values": [
            "tensorflow/serving/regress", {"inputs": [7, [-1]], "outputs": [1, [-1, 1]]},
        ],
    },
    "metadata of onnx": {
        "serving_default": [
            "tensorflow/serving/predict",
            {"image": [1, [-1, 1, 8, 8]], "probabilities": [1, [-1, 10]]},
        ]
    },
}  # fmt: skip


@pytest.mark.parametrize("question", ANSWERS)
def test_tensorflow_servings_client_is_answered(told, question):
    assert told[question] == ANSWERS[question]


def test_strings_are_taken_and_given(told):
    outputs = told["strings"]["outputs"]
    assert outputs["length"] == [7, 1]
    assert outputs["upper"][1] == "A"


def test_an_export_of_keras_3_is_answered(told):
    assert told["keras"]["by"][:2] == ["keras", 1]
    (values,) = told["keras"]["outputs"].values()
    assert values == [[3.0], [3.0]]


def test_the_onnx_twin_answers_the_same(told):
    (savedmodel,) = told["digits-savedmodel"]["outputs"].values()
    (onnx,) = told["digits-onnx"]["outputs"].values()
    np.testing.assert_allclose(onnx, savedmodel, rtol=0, atol=1e-5)
    assert told["digits-onnx by label"] == told["digits-onnx"]
    assert told["digits-onnx"]["by"] == ["digits-onnx", 1, "serving_default"]


REFUSALS = {
    "no model": ("NOT_FOUND", "Servable not found for request: Latest(nope)"),
    "no version": ("NOT_FOUND", "Servable not found for request: Specific(half, 7)"),
    "no label": ("INVALID_ARGUMENT", "Unrecognized servable version label: nope"),
    "no signature": ("FAILED_PRECONDITION", 'Serving signature key "nope" not found.'),
    "no signature to classify": (
        "INVALID_ARGUMENT", "No signature was found with the name: nope",
    ),
    "wrong method": ("INVALID_ARGUMENT", "Was: tensorflow/serving/regress"),
    "missing input": ("INVALID_ARGUMENT", "input size does not match signature: 1!=2"),
    "extra input": ("INVALID_ARGUMENT", "Sent extra: {z}"),
    "wrong dtype": ("INVALID_ARGUMENT", "data-type is 'INT32', but model 'half' expects 'FP32'"),
    "another wrong dtype": ("INVALID_ARGUMENT", "data-type is 'BF16'"),
    "no output": ("INVALID_ARGUMENT", "output tensor alias not found in signature: q"),
    "repeated too often": ("RESOURCE_EXHAUSTED", "raise --max-message-bytes".capitalize()),
    "too large": ("RESOURCE_EXHAUSTED", "max_message_bytes (1000000 bytes)"),
    "no status": ("NOT_FOUND", "Could not find any versions of model nope"),
    "reload": ("UNIMPLEMENTED", "config"),
}  # fmt: skip


@pytest.mark.parametrize("question", REFUSALS)
def test_tensorflow_servings_client_is_refused_with_its_codes(told, question):
    code, words = REFUSALS[question]
    assert told[question]["code"] == code
    assert words in told[question]["details"]


def test_no_question_is_left_out(told):
    assert set(told) - {*ANSWERS, *REFUSALS} == {
        "strings", "keras", "digits-savedmodel", "digits-onnx", "digits-onnx by label",
    }  # fmt: skip


# ---- REST ---------------------------------------------------------------------------------------


def test_rows_and_columns_are_answered(post):
    assert post("half", {"instances": [1, 2, 5]}).text == '{"predictions":[2.5,3.0,4.5]}'
    assert post("half/versions/123", {"inputs": {"x": [2]}}).text == '{"outputs":[3.0]}'


def test_nan_is_computed_and_told(server):
    answer = httpx.post(
        f"{server.url}/v1/models/half:predict", content='{"instances": [NaN, -Infinity, 2]}'
    )
    assert answer.text == '{"predictions":[NaN,-Infinity,3.0]}'


def test_examples_are_classified_and_valued(post):
    examples = {"context": {"x": 2.0}, "examples": [{}, {"x": 4.0}]}
    classes = post("half", {"signature_name": "to_classes", **examples}, "classify")
    assert classes.json() == {
        "results": [[["low", -3.0], ["high", 3.0]], [["low", -4.0], ["high", 4.0]]]
    }
    values = post("half", {"signature_name": "to_values", **examples}, "regress")
    assert values.text == '{"results":[3.0,4.0]}'


def test_bytes_go_in_and_out_in_base64(post):
    body = {"signature_name": "echo", "instances": [{"b64": "/wA="}, {"b64": ""}]}
    assert post("strings", body).json() == {"predictions": [{"b64": "/wA="}, {"b64": ""}]}


def test_several_outputs_are_named_in_every_row(post):
    answer = post("strings", {"instances": ["ab", "c"]}).json()
    assert answer == {"predictions": [{"upper": "AB", "length": 2}, {"upper": "C", "length": 1}]}


@pytest.mark.parametrize("model", ["digits-savedmodel", "digits-onnx"])
def test_both_protocols_give_equal_answers(server, post, told, model):
    predictions = post(model, {"instances": IMAGES}).json()["predictions"]
    image = {"name": "image", "datatype": "FP32", "shape": [2, 1, 8, 8], "data": IMAGES}
    inference = httpx.post(f"{server.url}/v2/models/{model}/infer", json={"inputs": [image]})

    (output,) = inference.json()["outputs"]
    assert np.ravel(predictions).tolist() == output["data"]
    (over_grpc,) = told[model]["outputs"].values()
    np.testing.assert_array_equal(np.float32(over_grpc), np.float32(predictions))


def test_status_and_metadata_are_told(server):
    status = httpx.get(f"{server.url}/v1/models/half").json()["model_version_status"]
    assert status == [
        {
            "version": "123",
            "state": "AVAILABLE",
            "status": {"error_code": "OK", "error_message": ""},
        }
    ]
    found = httpx.get(f"{server.url}/v1/models/half/metadata").json()["metadata"]
    signatures = found["signature_def"]["signature_def"]
    assert signatures["to_values"]["method_name"] == "tensorflow/serving/regress"


@pytest.mark.parametrize(
    ("model", "body", "status", "words"),
    [
        ("nope", {"instances": [1]}, 404, "Servable not found for request: Latest(nope)"),
        ("half/versions/7", {"instances": [1]}, 404, "Specific(half, 7)"),
        ("half/labels/nope", {"instances": [1]}, 400, "Unrecognized servable version label: nope"),
        ("half", {"signature_name": "q", "instances": [1]}, 400, "not found in signature def"),
        ("half", {"instances": [1], "inputs": [1]}, 400, "only one of 'inputs' or 'instances'"),
        ("half", {"instances": [[1], [1, 2]]}, 400, "ragged"),
        ("keras", {"inputs": {"left": [[1, 2]]}}, 400, "Missing named input: right"),
        ("strings", {"instances": [{"b64": "?"}]}, 400, "Unable to base64 decode"),
        ("half", {"instances": ["1"]}, 400, "must hold numbers"),
        ("half", {"instances": [0.123456] * 200_000}, 413, "max_message_bytes"),
    ],
)
def test_refusals_have_tensorflow_servings_codes_and_words(post, model, body, status, words):
    answer = post(model, body)
    assert answer.status_code == status
    assert words in answer.json()["error"]
