"""Bad inference requests over REST: each gets its own clear refusal and harms nobody."""

from __future__ import annotations

import json
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.server.frontends.rest_double import LIMIT, Planes, client_of

HEADER = "Inference-Header-Content-Length"
X = {"name": "x", "datatype": "FP32", "shape": [1, 3], "data": [1, 2, 3]}


def with_x(**changes) -> dict:
    return {"inputs": [X | changes]}


def without(*keys) -> dict:
    return {"inputs": [{key: value for key, value in X.items() if key not in keys}]}


BAD = {
    "wrong datatype": (with_x(datatype="FP64"), "data-type is 'FP64', but model 'rows' expects"),
    "unknown datatype": (with_x(datatype="FP8"), "datatype is 'FP8', expected one of BOOL, "),
    "datatype no string": (with_x(datatype=7), "datatype is not a string"),
    "no datatype": (without("datatype"), "datatype is not a string"),
    "wrong shape": (with_x(shape=[1, 2], data=[1, 2]), "unexpected shape for input 'x'"),
    "wrong rank": (with_x(shape=[3]), "Expected [-1,3], got [3]"),
    "no shape": (without("shape"), "'shape' must be a list of integers"),
    "shape of text": (with_x(shape=["1", 3]), "'shape' must be a list of integers"),
    "shape of bools": (with_x(shape=[True, 3]), "'shape' must be a list of integers"),
    "fractional shape": (with_x(shape=[1.0, 3]), "'shape' must be a list of integers"),
    "negative dim": (with_x(shape=[-1, 3]), "has dimension -1, expected 0 or more"),
    "overflowing dims": (with_x(shape=[2**62, 2**62]), "elements, expected at most"),
    "huge dim times zero": (with_x(shape=[0, 2**63], data=[]), "unexpected shape"),
    "rank too high": (with_x(shape=[1] * 100), "has rank 100, expected at most 16"),
    "too few elements": (with_x(data=[1, 2]), "has 2 elements, expected 3 for shape [1, 3]"),
    "too many elements": (with_x(data=[1, 2, 3, 4]), "has 4 elements, expected 3"),
    "missing input": ({"inputs": []}, "expected 1 inputs but got 0 inputs for model 'rows'"),
    "extra input": ({"inputs": [X, X | {"name": "y"}]}, "unexpected inference input 'y'"),
    "duplicate input": ({"inputs": [X, X]}, "given more than once"),
    "unknown output": (with_x() | {"outputs": [{"name": "q"}]}, "unexpected inference output 'q'"),
    "duplicate output": (
        with_x() | {"outputs": [{"name": "x"}, {"name": "x"}]},
        "requested more than once",
    ),
    "no name": (without("name"), "must have a 'name'"),
    "empty name": (with_x(name=""), "must have a 'name'"),
    "endless name": (with_x(name="n" * 2000), "must have a 'name'"),
    "no inputs": ({}, "must have 'inputs'"),
    "inputs no list": ({"inputs": X}, "must have 'inputs', a list of objects"),
    "inputs of numbers": ({"inputs": [1]}, "must have 'inputs', a list of objects"),
    "outputs no list": (with_x() | {"outputs": "x"}, "must have 'outputs', a list of objects"),
    "a list at the top": ([], "must be an object"),
    "null at the top": (None, "must be an object"),
    "no data": (without("data"), "set only one of the following fields"),
    "data twice": (with_x(parameters={"binary_data_size": 12}), "'x' sets both"),
    "data no list": (with_x(data="abc"), "'data' must be a list"),
    "data an object": (with_x(data={}), "'data' must be a list"),
    "strings for numbers": (with_x(data=["1", "2", "3"]), "must hold numbers, got a string"),
    "nulls for numbers": (with_x(data=[None, 1, 2]), "must hold numbers, got null"),
    "bools for numbers": (with_x(data=[True, 1, 2]), "must hold numbers, got true or false"),
    "beyond FP32": (with_x(data=[1e39, 1, 2]), "holds 1e+39, which is beyond FP32"),
    "ragged": (with_x(data=[[1, 2], [3]]), "'data' is ragged"),
    "ragged kinds": (with_x(data=[[1, 2], 3]), "'data' is ragged"),
    "list among numbers": (with_x(data=[1, [2], 3]), "must hold numbers, got a list"),
    "transposed": (with_x(data=[[1], [2], [3]]), "is nested as [3, 1], expected [1, 3]"),
    "id no string": (with_x() | {"id": 7}, "'id' must be a string"),
    "endless id": (with_x() | {"id": "i" * 1025}, "'id' has 1025 characters"),
    "id with a line break": (with_x() | {"id": "a\nb"}, "'id' contains control characters"),
    "parameters no object": (with_x() | {"parameters": []}, "must be an object"),
    "nested parameter": (with_x() | {"parameters": {"p": [1]}}, "parameter 'p' of the request"),
    "null parameter": (with_x() | {"parameters": {"p": None}}, "parameter 'p' of the request"),
    "triton parameter": (with_x() | {"parameters": {"triton_x": 1}}, "'triton_x' is reserved"),
    "headers parameter": (with_x() | {"parameters": {"headers": "x"}}, "'headers' is reserved"),
    "negative timeout": (with_x() | {"parameters": {"timeout": -1}}, "parameter 'timeout'"),
    "timeout no number": (with_x() | {"parameters": {"timeout": True}}, "parameter 'timeout'"),
    "negative priority": (with_x() | {"parameters": {"priority": -1}}, "parameter 'priority'"),
    "binary output no bool": (
        with_x() | {"parameters": {"binary_data_output": 1}},
        "'binary_data_output' must be true or false",
    ),
    "binary_data no bool": (
        with_x() | {"outputs": [{"name": "x", "parameters": {"binary_data": "yes"}}]},
        "'binary_data' must be true or false",
    ),
    "zero classes": (
        with_x() | {"outputs": [{"name": "x", "parameters": {"classification": 0}}]},
        "must ask for 1 or more classes",
    ),
    "classes no number": (
        with_x() | {"outputs": [{"name": "x", "parameters": {"classification": "2"}}]},
        "parameter 'classification'",
    ),
    "batch too large": (
        with_x(shape=[9, 3], data=[0] * 27),
        "batch-size must be <= 8 for 'rows'",
    ),
}


@pytest.mark.parametrize("case", BAD)
async def test_a_bad_document_is_refused_and_the_next_good_one_answered(case):
    document, text = BAD[case]
    async with client_of(Planes()) as client:
        answer = await client.post("/v2/models/rows/infer", content=json.dumps(document))
        assert answer.status_code == 400
        assert set(answer.json()) == {"error"}
        assert text in answer.json()["error"]
        assert (await client.post("/v2/models/rows/infer", json=with_x())).status_code == 200


@pytest.mark.parametrize(
    ("datatype", "value", "text"),
    [
        ("UINT8", 256, "holds 256, which UINT8 cannot: expected 0 to 255"),
        ("UINT8", -1, "holds -1, which UINT8 cannot: expected 0 to 255"),
        ("INT8", 128, "expected -128 to 127"),
        ("INT32", 2**31, "expected -2147483648 to 2147483647"),
        ("INT64", 2**63, "holds 9223372036854775808, which INT64 cannot"),
        ("UINT64", -1, "holds -1, which UINT64 cannot: expected 0 to 18446744073709551615"),
        ("UINT64", 2**64, "beyond 64 bits"),
        ("INT32", 1.5, "must hold integers, got a number with a fraction"),
        ("INT32", 1.0, "must hold integers"),
        ("INT32", True, "must hold integers, got true or false"),
        ("BOOL", 1, "must hold true or false, got an integer"),
        ("BOOL", "true", "must hold true or false, got a string"),
        ("BYTES", 1, "must hold strings, got an integer"),
        ("BYTES", None, "must hold strings, got null"),
        ("FP16", 1, "receiving FP16 data via JSON is not supported. Please use the binary data"),
        ("BF16", 1, "receiving BF16 data via JSON is not supported. Please use the binary data"),
        ("FP64", "NaN", "must hold numbers, got a string"),
    ],
)
async def test_a_value_its_datatype_cannot_hold_is_refused(datatype, value, text):
    tensor = {"name": datatype, "datatype": datatype, "shape": [2], "data": [value, value]}
    async with client_of(Planes()) as client:
        answer = await client.post("/v2/models/every/infer", json={"inputs": [tensor]})
    assert answer.status_code == 400
    assert f"input '{datatype}'" in answer.json()["error"]
    assert text in answer.json()["error"]


GOOD_TEXT = json.dumps(with_x())


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b" ",
        b"{",
        b"\x00",
        b"\xff\xfe",
        GOOD_TEXT.replace("[1, 2, 3]", "[NaN, 1, 2]").encode(),
        GOOD_TEXT.replace("[1, 2, 3]", "[Infinity, 1, 2]").encode(),
        GOOD_TEXT.replace("[1, 2, 3]", "[1e999, 1, 2]").encode(),
        GOOD_TEXT.replace("[1, 2, 3]", "[1, 2, 3,]").encode(),
        GOOD_TEXT.replace('"x"', '"\udcff"').encode("utf-8", "surrogateescape"),
        GOOD_TEXT.replace('"x"', '"\\ud800"').encode(),
        GOOD_TEXT.encode() + b"trailing",
        GOOD_TEXT.encode("utf-16"),
        b"[" * 30_000,
        b'{"a":' * 8_000,
        GOOD_TEXT.replace("[1, 2, 3]", "[" * 5000 + "1" + "]" * 5000).encode(),
        GOOD_TEXT.replace("[1, 2, 3]", "[" * 500 + "1" + "]" * 500).encode(),
        GOOD_TEXT.replace("[1, 2, 3]", "[" * 17 + "1" + "]" * 17).encode(),
    ],
    ids=range(18),
)
async def test_a_body_that_is_not_json_or_too_deep_is_refused(body):
    async with client_of(Planes()) as client:
        answer = await client.post("/v2/models/rows/infer", content=body)
    assert answer.status_code == 400
    assert set(answer.json()) == {"error"}


async def test_the_request_id_is_told_with_the_refusal():
    async with client_of(Planes()) as client:
        answer = await client.post("/v2/models/rows/infer", json=with_x(shape=[3]) | {"id": "my-7"})
    assert answer.json()["error"].startswith("[request id: my-7] unexpected shape for input 'x'")


TAIL = struct.pack("<3f", 1, 2, 3)


def binary_x(size: object = 12, **changes: object) -> bytes:
    tensor = {"name": "x", "datatype": "FP32", "shape": [1, 3]} | changes
    return json.dumps({"inputs": [tensor | {"parameters": {"binary_data_size": size}}]}).encode()


@pytest.mark.parametrize(
    "length", ["-1", "abc", "", "1.5", "0x10", "99999", "9" * 300, "²", "1,2", "+5"]
)
async def test_a_header_length_out_of_range_or_no_number_is_refused(length):
    async with client_of(Planes()) as client:
        body = binary_x() + TAIL
        headers = [(HEADER.encode(), length.encode("latin-1"))]
        answer = await client.post("/v2/models/rows/infer", content=body, headers=headers)
    assert answer.status_code == 400
    expected = f"inference header size should be in range (0, {len(body)}), got: {length[:32]}"
    assert answer.json() == {"error": expected}


@pytest.mark.parametrize(
    ("head", "tail", "text"),
    [
        (binary_x(), TAIL[:-1], "binary_data_size 12, but only 11 bytes of binary data follow"),
        (binary_x(), b"", "only 0 bytes of binary data follow"),
        (binary_x(), TAIL + b"\0", "1 bytes of binary data are left over"),
        (binary_x(8), TAIL[:8], "has 8 bytes, expected 12 for FP32 [1,3]"),
        (binary_x(-1), TAIL, "parameter 'binary_data_size' must be a whole number"),
        (binary_x("12"), TAIL, "parameter 'binary_data_size' must be a whole number"),
        (binary_x(True), TAIL, "parameter 'binary_data_size' must be a whole number"),
        (binary_x(2**62), TAIL, "but only 12 bytes"),
        (binary_x(datatype="BYTES"), TAIL, "a BYTES element says it has"),
        (binary_x(datatype="BYTES"), b"\0" * 12, "unexpected shape|data-type"),
        (binary_x(4, datatype="BYTES"), b"\0" * 4, "has 1 BYTES elements, expected 3"),
        (binary_x(2, datatype="BYTES"), b"\0" * 2, "2 stray bytes follow"),
    ],
)
async def test_a_tail_that_does_not_add_up_is_refused(head, tail, text):
    async with client_of(Planes()) as client:
        answer = await client.post(
            "/v2/models/rows/infer", content=head + tail, headers={HEADER: str(len(head))}
        )
    assert answer.status_code == 400
    assert any(part in answer.json()["error"] for part in text.split("|"))


async def test_binary_data_without_the_header_is_refused():
    async with client_of(Planes()) as client:
        answer = await client.post("/v2/models/rows/infer", content=binary_x())
    assert "only 0 bytes of binary data follow" in answer.json()["error"]


@pytest.mark.parametrize(
    ("model", "body", "text"),
    [
        ("two", b"", "needs a model with exactly 1 input; 'two' has 2"),
        ("wild", b"\0" * 8, "has 2 dynamic dimensions"),
        ("deep", b"\0" * 7, "takes a multiple of 8 bytes, got 7"),
        ("rows", b"\0" * 11, "has 11 bytes, expected 12"),
        ("grid", b"", "has 0 bytes, expected 24"),
    ],
)
async def test_a_raw_request_whose_shape_cannot_be_told_is_refused(model, body, text):
    async with client_of(Planes()) as client:
        answer = await client.post(f"/v2/models/{model}/infer", content=body, headers={HEADER: "0"})
    assert answer.status_code == 400
    assert text in answer.json()["error"]


@pytest.mark.parametrize("where", ["inputs", "outputs"])
async def test_shared_memory_is_not_offered(where):
    parameters = {"shared_memory_region": "r", "shared_memory_byte_size": 12}
    document = without("data") if where == "inputs" else with_x()
    document.setdefault(where, [{"name": "x"}])[0]["parameters"] = parameters
    async with client_of(Planes()) as client:
        answer = await client.post("/v2/models/rows/infer", json=document)
    assert answer.status_code == 501
    assert "shared_memory_region" in answer.json()["error"]


@pytest.mark.parametrize("sequence", [{"sequence_id": 7}, {"sequence_start": True}])
async def test_sequences_are_not_offered(sequence):
    async with client_of(Planes()) as client:
        answer = await client.post(
            "/v2/models/rows/infer", json=with_x() | {"parameters": sequence}
        )
    assert answer.status_code == 501


@pytest.mark.parametrize("datatype", ["FP16", "BF16"])
async def test_half_floats_cannot_leave_as_json(datatype):
    head = json.dumps(
        {
            "inputs": [
                {
                    "name": datatype,
                    "datatype": datatype,
                    "shape": [1],
                    "parameters": {"binary_data_size": 2},
                }
            ]
        }
    ).encode()
    async with client_of(Planes()) as client:
        answer = await client.post(
            "/v2/models/every/infer", content=head + b"\0\0", headers={HEADER: str(len(head))}
        )
    assert answer.status_code == 400
    assert f"sending {datatype} data via JSON is not supported" in answer.json()["error"]


async def test_bytes_that_are_not_utf8_cannot_leave_as_json():
    tensor = {
        "name": "BYTES",
        "datatype": "BYTES",
        "shape": [1],
        "parameters": {"binary_data_size": 5},
    }
    head = json.dumps({"inputs": [tensor]}).encode()
    async with client_of(Planes()) as client:
        answer = await client.post(
            "/v2/models/every/infer",
            content=head + b"\1\0\0\0\xff",
            headers={HEADER: str(len(head))},
        )
    assert answer.status_code == 400
    assert "request it with binary_data set to true" in answer.json()["error"]


async def test_classification_of_strings_is_refused():
    document = {
        "inputs": [{"name": "BYTES", "datatype": "BYTES", "shape": [1], "data": ["a"]}],
        "outputs": [{"name": "BYTES", "parameters": {"classification": 1}}],
    }
    async with client_of(Planes()) as client:
        answer = await client.post("/v2/models/every/infer", json=document)
    assert answer.status_code == 400
    assert "classification needs an output of numbers" in answer.json()["error"]


async def test_a_body_over_the_limit_is_413_and_names_the_setting():
    async with client_of(Planes()) as client:
        answer = await client.post("/v2/models/rows/infer", content=b" " * (LIMIT + 1))
    assert answer.status_code == 413
    assert answer.json()["error"] == (
        f"request body is larger than max_message_bytes ({LIMIT} bytes); "
        "raise --max-message-bytes on the server or send less"
    )


@settings(max_examples=150, deadline=None)
@given(
    body=st.one_of(
        st.binary(max_size=300),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
            lambda inner: (
                st.lists(inner, max_size=4)
                | st.dictionaries(
                    st.sampled_from(
                        ["inputs", "outputs", "name", "shape", "data", "datatype", "id"]
                    ),
                    inner,
                    max_size=4,
                )
            ),
            max_leaves=12,
        ).map(lambda document: json.dumps(document).encode()),
        st.builds(
            lambda key, value: json.dumps(with_x(**{key: value})).encode(),
            st.sampled_from(["name", "shape", "data", "datatype", "parameters"]),
            st.one_of(
                st.none(), st.text(max_size=4), st.lists(st.integers() | st.floats(), max_size=4)
            ),
        ),
    ),
    length=st.none() | st.integers(-5, 400).map(str) | st.text("0123456789-+e. ", max_size=6),
    encoding=st.sampled_from([None, None, None, "gzip", "deflate"]),
    model=st.sampled_from(["rows", "every", "text", "scalar", "two"]),
)
async def test_no_bytes_whatsoever_make_the_server_fail(body, length, encoding, model):
    headers = {} if length is None else {HEADER: length}
    if encoding:
        headers["Content-Encoding"] = encoding
    async with client_of(Planes()) as client:
        answer = await client.post(f"/v2/models/{model}/infer", content=body, headers=headers)
    assert answer.status_code < 500 or answer.status_code == 501
    if answer.status_code != 200:
        assert set(answer.json()) == {"error"}
