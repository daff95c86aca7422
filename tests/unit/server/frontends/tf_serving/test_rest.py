"""TensorFlow Serving's REST API on planes: rows, columns, examples, and what is refused with which
code and words.
"""

from __future__ import annotations

import base64
import json
import math
from collections.abc import AsyncIterator

import httpx
import numpy as np
import orjson
import pytest

from runtimes.contract.tensor import unpack_bytes
from server.access.access import open_to_all
from server.errors import Overloaded
from server.frontends.limits import FrontendLimits
from server.frontends.rest import create_app
from server.frontends.tf_serving.json_answer import numbers
from tests.unit.server.frontends.tf_serving.serving_double import Planes

LIMITS = FrontendLimits(max_message_bytes=20_000, disconnect_check_s=5.0)


@pytest.fixture
def planes() -> Planes:
    return Planes()


@pytest.fixture
async def client(planes) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(create_app(planes, planes, LIMITS, open_to_all()))
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as found:
        yield found


@pytest.fixture
def ask(client):
    """Posts a body to a model's method; the status and the answer's text."""

    async def asked(model: str, body: object, method: str = "predict") -> tuple[int, str]:
        text = body if isinstance(body, str | bytes) else json.dumps(body)
        answer = await client.post(f"/v1/models/{model}:{method}", content=text)
        assert answer.headers["content-type"] == "application/json"
        return answer.status_code, answer.text

    return asked


def first(planes: Planes, dtype: str) -> list:
    """The first input of the first request."""
    tensor = planes.asked[0].inputs[0]
    return np.frombuffer(tensor.data, dtype).reshape(tensor.shape).tolist()


# ---- rows and columns ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "body",
    [
        {"instances": [[1, 2.5], [3, 4]]},
        {"instances": [{"x": [1, 2.5]}, {"x": [3, 4]}]},
        {"signature_name": "serving_default", "instances": [[1, 2.5], [3, 4]]},
    ],
)
async def test_rows_are_answered_with_rows(ask, planes, body):
    assert await ask("rows", body) == (200, '{"predictions":[[1.0,2.5],[3.0,4.0]]}')
    assert first(planes, "<f4") == [[1, 2.5], [3, 4]]


@pytest.mark.parametrize("inputs", [[[1, 2]], {"x": [[1, 2]], "ignored": 1}])
async def test_columns_are_answered_with_columns(ask, inputs):
    assert await ask("rows", {"inputs": inputs}) == (200, '{"outputs":[[1.0,2.0]]}')


async def test_several_inputs_are_named(ask):
    rows = [{"a": 1, "b": "x"}, {"a": 2, "b": {"b64": "eQ=="}}]
    assert await ask("pair", {"instances": rows}) == (
        200, '{"predictions":[{"a":1,"b":"x"},{"a":2,"b":"y"}]}',
    )  # fmt: skip
    assert await ask("pair", {"inputs": {"a": [1], "b": ["x"]}}) == (
        200, '{"outputs":{"a":[1],"b":["x"]}}',
    )  # fmt: skip


async def test_a_scalar_is_a_column_of_no_dimension(ask):
    assert await ask("scalar", {"inputs": 0.1}) == (200, '{"outputs":0.1}')


@pytest.mark.parametrize("datatype", ["FP32", "FP64"])
async def test_nan_and_infinity_are_numbers_both_ways(ask, datatype):
    body = '{"inputs": {"FP32": [NaN, Infinity, -Infinity, 1, 0.1]}}'.replace("FP32", datatype)
    assert await ask("every", body) == (200, '{"outputs":[NaN,Infinity,-Infinity,1.0,0.1]}')


async def test_rows_with_nan_are_written_row_by_row(ask):
    body = '{"instances": [{"FP32": NaN, "INT8": 1}, {"FP32": 2, "INT8": 2}]}'
    assert await ask("every", body) == (
        200, '{"predictions":[{"INT8":1,"FP32":NaN},{"INT8":2,"FP32":2.0}]}',
    )  # fmt: skip


@pytest.mark.parametrize(
    ("datatype", "values"),
    [
        ("BOOL", [True, False]),
        ("UINT8", [0, 255]),
        ("UINT64", [2**64 - 1]),
        ("INT64", [-(2**63), 2**63 - 1]),
        ("INT8", [-128, 127]),
        ("FP64", [0.1, -1e300]),
        ("BYTES", ["", "é", "日本"]),
    ],
)
async def test_every_datatype_of_json_comes_back_as_it_went(ask, datatype, values):
    status, text = await ask("every", {"inputs": {datatype: values}})
    assert status == 200
    assert json.loads(text)["outputs"] == values


async def test_bytes_are_taken_and_given_in_base64(ask, planes):
    raw = bytes(range(256))
    encoded = base64.b64encode(raw).decode()

    status, text = await ask("raw", {"instances": [{"b64": encoded}, {"b64": encoded.rstrip("=")}]})

    assert (status, json.loads(text)) == (200, {"predictions": [{"b64": encoded}] * 2})
    assert unpack_bytes(planes.asked[0].inputs[0].data) == [raw, raw]


async def test_a_large_answer_is_compressed_for_who_asks(client):
    body = {"instances": [[0.5, 0.5]] * 400}
    answer = await client.post("/v1/models/rows:predict", json=body)
    assert answer.headers["content-encoding"] == "gzip"
    assert answer.json() == {"predictions": body["instances"]}


@pytest.mark.parametrize(
    "path",
    [
        "/v1/models/rows/versions/3:predict",
        "/v1/models/rows/versions/003:predict",
        "/v1/models/rows/labels/stable:predict",
        "/V1/Models/rows:PREDICT",
    ],
)
async def test_paths_name_versions_and_labels_whatever_their_case(client, path):
    answer = await client.post(path, json={"instances": [[1, 2]]})
    assert (answer.status_code, answer.text) == (200, '{"predictions":[[1.0,2.0]]}')


REFUSED = {
    "empty": ("rows", "", 400, "JSON Parse error: The document is empty"),
    "no json": ("rows", "{", 400, "JSON Parse error: "),
    "no json with tokens": ("rows", '{"instances": [NaN', 400, "JSON Parse error: "),
    "deep with tokens": ("rows", "[" * 5000 + "NaN" + "]" * 5000, 400, "JSON Parse error: "),
    "no object": ("rows", "[]", 400, "Is not object"),
    "signature's type": ("rows", {"signature_name": 1}, 400, "key must be a string value"),
    "signature": (
        "rows", {"signature_name": "x", "instances": [1]}, 400,
        'Serving signature name: "x" not found in signature def',
    ),
    "both": ("rows", {"instances": [1], "inputs": [1]}, 400, "only one of 'inputs' or 'instances'"),
    "neither": ("rows", {}, 400, "Missing 'inputs' or 'instances' key"),
    "no list": ("rows", {"instances": {"x": 1}}, 400, "Expecting 'instances' to be an list/array"),
    "no rows": ("rows", {"instances": []}, 400, "No values in 'instances' array"),
    "ragged": ("rows", {"instances": [[1, 2], [3]]}, 400, "input 'x' is ragged"),
    "ragged kinds": ("rows", {"instances": [[1, 2], 3]}, 400, "input 'x' is ragged"),
    "mixed": (
        "rows", {"instances": [[1, 2], {"x": [1, 2]}]}, 400,
        "Expecting value/list but got object at item 1 of input list",
    ),
    "mixed the other way": (
        "rows", {"instances": [{"x": [1, 2]}, [1, 2]]}, 400,
        "Expecting object but got value/list at item 1 of input list",
    ),
    "plain rows": ("pair", {"instances": [1]}, 400, "instances is a plain list, but expecting"),
    "plain columns": ("pair", {"inputs": [1]}, 400, "inputs is a plain value/list, but expecting"),
    "missing in a row": (
        "pair", {"instances": [{"a": 1, "b": "x"}, {"a": 1}]}, 400,
        "Failed to process element: 1 of 'instances' list. JSON object: keys must be equal to: a,b",
    ),
    "extra in a row": ("rows", {"instances": [{"x": [1, 2], "y": 1}]}, 400, "must be equal to: x"),
    "missing column": (
        "pair", {"inputs": {"a": [1]}}, 400, "Missing named input: b in 'inputs' object.",
    ),
    "a string for a float": (
        "rows", {"instances": [["1", "2"]]}, 400,
        "input 'x' of FP32 must hold numbers, got a string",
    ),
    "null": ("rows", {"instances": [[None, 1]]}, 400, "must hold numbers, got null"),
    "a bool for a float": ("rows", {"instances": [[True, 1]]}, 400, "got true or false"),
    "a fraction for an integer": ("ints", {"instances": [1.5]}, 400, "must hold integers"),
    "nan for an integer": ("ints", '{"instances": [NaN]}', 400, "must hold integers"),
    "out of range": ("ints", {"instances": [2**31]}, 400, "which INT32 cannot"),
    "beyond floats": ("rows", {"instances": [[1e39, 1]]}, 400, "beyond FP32"),
    "beyond floats beside nan": ("rows", '{"instances": [[1e39, NaN]]}', 400, "beyond FP32"),
    "an integer beyond any float": (
        "rows", f'{{"instances": [[{10**400}, NaN]]}}', 400, "beyond FP32",
    ),
    "a number for a string": ("text", {"instances": [1]}, 400, "not of expected type: string"),
    "bad base64": ("text", {"instances": [{"b64": "!"}]}, 400, "Unable to base64 decode"),
    "base64 for a float": ("rows", {"inputs": {"x": [{"b64": "eQ=="}]}}, 400, "got an object"),
    "no base64": ("text", {"inputs": {"t": [{"b65": ""}]}}, 400, "correctly for base64 data"),
    "half a character": ("text", '{"inputs": ["\\ud800"]}', 400, ""),
    "half a character beside nan": ("text", '{"n": NaN, "inputs": ["\\ud800"]}', 400, "UTF-16"),
    "shape": ("rows", {"instances": [1]}, 400, "unexpected shape for input 'x'"),
    "float16": ("half", {"instances": [1]}, 501, "Conversion of JSON Value to type: FP16"),
    "rank": ("deep", {"inputs": json.loads("[" * 20 + "]" * 20)}, 400, "nested deeper than 16"),
    "model": ("nope", {"instances": [1]}, 404, "Servable not found for request: Latest(nope)"),
    "version": (
        "rows/versions/9", {"instances": [1]}, 404,
        "Servable not found for request: Specific(rows, 9)",
    ),
    "huge version": (
        "rows/versions/" + "9" * 30, {"instances": [1]}, 400, "Failed to convert version: 999",
    ),
    "label": (
        "rows/labels/new", {"instances": [1]}, 400, "Unrecognized servable version label: new",
    ),
    "not ready": ("asleep", {"instances": [1]}, 503, "is not at ready state"),
    "too large": ("rows", " " * 20_001, 413, "max_message_bytes (20000 bytes)"),
    "rows of a scalar": ("scalar", {"instances": [1]}, 400, "unexpected shape"),
}  # fmt: skip


@pytest.mark.parametrize(("model", "body", "status", "words"), REFUSED.values(), ids=REFUSED)
async def test_what_predict_refuses_is_said(ask, model, body, status, words):
    got, text = await ask(model, body)
    assert (got, list(json.loads(text))) == (status, ["error"])
    assert words in json.loads(text)["error"]


async def test_bytes_that_are_no_text_need_a_name_that_says_so(ask):
    status, text = await ask("text", {"instances": [{"b64": "/w=="}]})
    assert status == 400
    assert "_bytes" in json.loads(text)["error"]


async def test_who_is_refused_for_now_is_told_when_to_come_back(client, planes):
    planes.failure = Overloaded("too much", retry_after=2.0)
    answer = await client.post("/v1/models/rows:predict", json={"instances": [[1, 2]]})
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "2")


async def test_an_error_nobody_expected_tells_nothing(client, planes):
    planes.failure = RuntimeError("/secret/path")
    answer = await client.post("/v1/models/rows:predict", json={"instances": [[1, 2]]})
    assert answer.status_code == 500
    assert "secret" not in answer.text


@pytest.mark.parametrize(
    ("verb", "path"),
    [
        ("GET", "/v1/models/rows:predict"),
        ("POST", "/v1/models/rows"),
        ("POST", "/v1/models/rows:explain"),
        ("POST", "/v1/models/rows:pred\u0131ct"),  # a dotless i is an i of another case
        ("POST", "/v1/models/rows:cla\u017f\u017fify"),
        ("POST", "/v1/models/rows/versions/x:predict"),
        ("POST", "/v1/models/rows/versions/1/labels/x:predict"),
        ("PUT", "/v1/models/rows:predict"),
        ("GET", "/v1/other"),
    ],
)
async def test_a_request_of_no_kind_is_malformed(client, verb, path):
    answer = await client.request(verb, path)
    assert answer.status_code == 400
    assert answer.json() == {"error": f"Malformed request: {verb} {path}"}


# ---- classify and regress -----------------------------------------------------------------------


async def test_classes_come_with_their_scores(ask):
    body = {
        "signature_name": "to_classes",
        "context": {"k": "v"},
        "examples": [{"x": 1.0}, {"x": 2}],
    }
    assert await ask("signed", body, "classify") == (
        200, '{"results":[[["no",0.0],["yes",0.25]],[["no",0.5],["yes",0.75]]]}',
    )  # fmt: skip


async def test_values_come_one_for_each_example(ask):
    body = {"signature_name": "to_values", "examples": [{"x": [1.0]}, {}, {}]}
    assert await ask("signed", body, "regress") == (200, '{"results":[0.0,0.25,0.5]}')


async def test_true_and_false_are_features_of_1_and_0(ask, planes):
    body = {"examples": [{"a": [1.0, 2.0], "b": True, "c": "x"}]}

    assert (await ask("named", body, "classify"))[0] == 200
    assert np.frombuffer(planes.asked[0].inputs[1].data, "<i8").tolist() == [1]


async def test_features_may_be_values_lists_or_base64(ask, planes):
    body = {"examples": [{"a": [1.0, 2.0], "b": 7, "c": {"b64": "/w=="}}]}

    status, text = await ask("named", body, "classify")

    assert (status, json.loads(text)) == (200, {"results": [[["cat", 0.0], ["dog", 0.25]]]})
    assert unpack_bytes(planes.asked[0].inputs[2].data) == [b"\xff"]


EXAMPLES_REFUSED = {
    "none": ({}, "key 'examples' is expected"),
    "no list": ({"examples": {}}, "Expecting 'examples' value to be an list/array"),
    "empty": ({"examples": []}, "'examples' value is an empty array"),
    "no object": ({"examples": [1]}, "Example must be JSON object"),
    "null": ({"examples": [{"x": None}]}, "unexpected JSON type"),
    "nested": ({"examples": [{"x": [[1]]}]}, "unexpected JSON type"),
    "mixed": ({"examples": [{"x": [1, "a"]}]}, "Unexpected element type in feature: x"),
    "beyond": ({"examples": [{"x": 1e39}]}, "beyond 32-bit floats"),
    "unsigned": ({"examples": [{"x": 2**63}]}, "Only int64 is supported"),
    "bad base64": ({"examples": [{"x": {"b64": "!"}}]}, "Unable to base64 decode"),
    "signature": ({"signature_name": "q", "examples": [{}]}, "No signature was found with the"),
    "method": ({"signature_name": "to_values", "examples": [{}]}, "Was: tensorflow/serving/reg"),
}  # fmt: skip


@pytest.mark.parametrize(("body", "words"), EXAMPLES_REFUSED.values(), ids=EXAMPLES_REFUSED)
async def test_what_classify_refuses_is_said(ask, body, words):
    status, text = await ask("signed", {"signature_name": "to_classes", **body}, "classify")
    assert status == 400
    assert words in json.loads(text)["error"]


# ---- status and metadata ------------------------------------------------------------------------


async def test_the_status_is_told_as_protobuf_writes_json(client):
    answer = await client.get("/v1/models/rows/versions/3")
    assert answer.json() == {
        "model_version_status": [
            {
                "version": "3",
                "state": "AVAILABLE",
                "status": {"error_code": "OK", "error_message": ""},
            }
        ]
    }


async def test_a_label_and_no_version_have_a_status_too(client):
    labelled = (await client.get("/v1/models/rows/labels/stable")).json()
    assert [one["version"] for one in labelled["model_version_status"]] == ["3"]
    states = (await client.get("/v1/models/rows")).json()["model_version_status"]
    assert [one["version"] for one in states] == ["5", "4", "3", "2", "1"]


async def test_metadata_has_every_signature(client):
    found = (await client.get("/v1/models/signed/metadata")).json()

    assert found["model_spec"] == {"name": "signed", "signature_name": "", "version": "3"}
    signatures = found["metadata"]["signature_def"]["signature_def"]
    assert set(signatures) == {"serving_default", "second", "to_classes", "to_values"}
    assert signatures["second"]["inputs"]["z"] == {
        "dtype": "DT_INT32",
        "tensor_shape": {"dim": [{"size": "-1", "name": ""}], "unknown_rank": False},
        "name": "z:0",
    }


@pytest.mark.parametrize(
    ("path", "status", "words"),
    [
        ("/v1/models", 400, "Missing model name in request."),
        ("/v1/models/nope", 404, "Could not find any versions of model nope"),
        ("/v1/models/rows/versions/9", 404, "Could not find version 9 of model rows"),
        ("/v1/models/nope/metadata", 404, "Servable not found for request: Latest(nope)"),
        ("/v1/models/rows/labels/x", 400, "Unrecognized servable version label: x"),
    ],
)
async def test_what_is_not_there_has_no_status(client, path, status, words):
    answer = await client.get(path)
    assert (answer.status_code, answer.json()) == (status, {"error": words})


async def test_the_long_way_through_the_framework_answers_the_same(planes):
    app = create_app(planes, planes, LIMITS, open_to_all())
    transport = httpx.ASGITransport(app, root_path="/behind")
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        answer = await client.post("/behind/v1/models/rows:predict", json={"instances": [[1, 2]]})
        assert (answer.status_code, answer.text) == (200, '{"predictions":[[1.0,2.0]]}')


def test_a_fraction_is_written_as_short_as_its_type_allows():
    assert orjson.dumps(numbers([0.1, 1.0, math.nan, -math.inf])) == b"[0.1,1.0,NaN,-Infinity]"
