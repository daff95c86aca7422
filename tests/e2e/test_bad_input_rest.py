"""Bad input over REST to a real server: each row its exact refusal, and nobody is harmed."""

from __future__ import annotations

import json
import struct
from collections.abc import Sequence

import pytest

from tests.harness.hostile import (
    IMAGE,
    INPUT,
    LENGTH,
    Watched,
    infer,
    request,
    watched,
)

GOOD = {"inputs": [INPUT]}
GOOD_BYTES = json.dumps(GOOD).encode()
LEFT, RIGHT = (
    {"name": name, "datatype": "FP32", "shape": [1, 2], "data": [1, 2]}
    for name in ("left", "right")
)


@pytest.fixture(scope="module")
def server(tmp_path_factory, demo_repository):
    with watched(tmp_path_factory.mktemp("models"), demo_repository) as found:
        yield found


@pytest.fixture(autouse=True)
def unharmed(server: Watched):
    yield
    server.check_unharmed()


def changed(**changes) -> bytes:
    """A request with some fields of its one input changed."""
    return infer({"inputs": [INPUT | changes]})


def text_changed(old: str, new: str) -> bytes:
    """A request whose JSON is edited as text, for what Python's encoder would not write."""
    text = json.dumps(GOOD)
    assert old in text
    return infer(text.replace(old, new, 1).encode())


def binary(
    size: int = 256,
    data: bytes = IMAGE.tobytes(),
    length: str | bytes | None = None,
    shape: Sequence[int] = (1, 1, 8, 8),
) -> bytes:
    """A request with a binary tail; `length` is the header's value where that is to be wrong."""
    tensor = {"name": "image", "datatype": "FP32", "shape": shape}
    head = json.dumps({"inputs": [tensor | {"parameters": {"binary_data_size": size}}]}).encode()
    value = str(len(head)) if length is None else length
    return infer(head + data, **{LENGTH: value})


MODELS = {
    "unknown model": (infer(GOOD, "nope"), 404, "unknown model: 'nope' is not found"),
    "unknown version": (
        infer(GOOD, "digits-onnx/versions/7"), 404, "'digits-onnx' version 7 is not found",
    ),
    "version 0": (infer(GOOD, "digits-onnx/versions/0"), 404, "version 0 is not found"),
    "a negative version": (infer(GOOD, "digits-onnx/versions/-1"), 404, "Not Found"),
    "an unknown label": (
        infer(GOOD, "digits-onnx/versions/latest"), 404, "version label latest is not found",
    ),
    "a version that is no label": (infer(GOOD, "digits-onnx/versions/1.0"), 404, "Not Found"),
    "a version over 64 bits": (infer(GOOD, f"digits-onnx/versions/{2**64}"), 404, "Not Found"),
    "not ready": (infer(GOOD, "broken"), 503, "'broken' has no available versions"),
    "a version not ready": (
        infer(GOOD, "broken/versions/1"), 503, "'broken' version 1 is not at ready state",
    ),
    "metadata of one not ready": (request("GET", "/v2/models/broken"), 503, "'broken' has no"),
    "config of one not ready": (request("GET", "/v2/models/broken/config"), 503, "'broken' has"),
    "readiness of one not ready": (
        request("GET", "/v2/models/broken/ready"), 503, "Model version not ready",
    ),
    "metadata of one unknown": (request("GET", "/v2/models/nope"), 404, "unknown model: 'nope'"),
    "readiness of one unknown": (request("GET", "/v2/models/nope/ready"), 404, "'nope'"),
    "statistics of one unknown": (request("GET", "/v2/models/nope/stats"), 404, "'nope'"),
    "trace settings of one unknown": (
        request("GET", "/v2/models/nope/trace/setting"), 404, "'nope'",
    ),
}  # fmt: skip

TENSORS = {
    "wrong datatype": (
        changed(datatype="INT32", data=[1] * 64), 400,
        "input 'image' data-type is 'INT32', but model 'digits-onnx' expects 'FP32'",
    ),
    "unknown datatype": (changed(datatype="FP8"), 400, "'image': datatype is 'FP8', expected one"),
    "wrong shape": (
        changed(shape=[1, 1, 8, 9], data=[0] * 72), 400,
        "input 'image' for model 'digits-onnx'. Expected [-1,1,8,8], got [1,1,8,9]",
    ),
    "wrong rank": (changed(shape=[1, 64]), 400, "Expected [-1,1,8,8], got [1,64]"),
    "too high a rank": (changed(shape=[1] * 17), 400, "'image' has rank 17, expected at most 16"),
    "no shape": (changed(shape=None), 400, "'image': 'shape' must be a list of integers"),
    "too many rows": (
        changed(shape=[65, 1, 8, 8], data=[0] * 65 * 64), 400, "batch-size must be <= 64",
    ),
    "too few elements": (changed(data=[0] * 63), 400, "'image' has 63 elements, expected 64"),
    "too many elements": (changed(data=[0] * 65), 400, "'image' has 65 elements, expected 64"),
    "text for numbers": (changed(data=["0"] * 64), 400, "'image' of FP32 must hold numbers"),
    "beyond its datatype": (changed(data=[1e39] * 64), 400, "holds 1e+39, which is beyond FP32"),
    "wrong byte count": (
        binary(255, IMAGE.tobytes()[:255]), 400,
        "input 'image' has 255 bytes, expected 256 for FP32 [1,1,8,8]",
    ),
    "a negative dim": (changed(shape=[-1, 1, 8, 8]), 400, "dimension -1, expected 0 or more"),
    "the lowest dim": (changed(shape=[-(2**63), 4]), 400, "expected 0 or more"),
    "overflowing dims": (changed(shape=[2**62, 4]), 400, "elements, expected at most"),
    "dims that wrap to 64": (changed(shape=[2**63, 2, 64]), 400, "elements, expected at most"),
    "a dim over 64 bits": (changed(shape=[2**64, 1]), 400, "must be a list of integers"),
    "a huge dim times zero": (
        changed(shape=[0, 1, 8, 2**62], data=[]), 400, "Expected [-1,1,8,8], got [0,1,8,",
    ),
    "overflowing dims in binary": (
        binary(shape=[2**62, 4], size=0, data=b""), 400, "elements, expected at most",
    ),
    "missing input": (
        infer({"inputs": [LEFT]}, "pair"), 400, "missing required input(s) ['right']",
    ),
    "no inputs": (infer({"inputs": []}), 400, "expected 1 inputs but got 0", "['image']"),
    "no list of inputs": (infer({}), 400, "must have 'inputs', a list of objects"),
    "extra input": (
        infer({"inputs": [INPUT, LEFT]}), 400,
        "unexpected inference input 'left'", "Its inputs are ['image']",
    ),
    "duplicate input": (infer({"inputs": [INPUT] * 2}), 400, "['image'] given more than once"),
    "two batch sizes": (
        infer({"inputs": [LEFT, RIGHT | {"shape": [2, 2], "data": [0] * 4}]}, "pair"), 400,
        "different batch sizes [1, 2]",
    ),
    "unknown output": (
        infer(GOOD | {"outputs": [{"name": "label"}]}), 400,
        "unexpected inference output 'label'", "Its outputs are ['probabilities']",
    ),
    "duplicate output": (
        infer(GOOD | {"outputs": [{"name": "probabilities"}] * 2}), 400, "more than once",
    ),
    "shared memory": (
        changed(parameters={"shared_memory_region": "/dev/shm/x"}), 501,
        "input 'image' has parameter 'shared_memory_region'",
    ),
    "a reserved parameter": (
        infer(GOOD | {"parameters": {"triton_x": 1}}), 400, "'triton_x' is reserved",
    ),
}  # fmt: skip

HEADER_LENGTHS = {
    "over the body": "99999",
    "over 64 bits": str(10**30),
    "negative": "-1",
    "signed": "+10",
    "a fraction": "1.5",
    "in words": "ten",
    "empty": "",
    "hexadecimal": "0x10",
    "other digits": "١٢".encode(),
    "not UTF-8": b"\xff\xfe",
    "two numbers": "10, 10",
}

DOCUMENTS = {
    "nothing": b"",
    "no JSON": b"image=1",
    "cut off": GOOD_BYTES[:-5],
    "text after its end": GOOD_BYTES + b"x",
    "a byte order mark": b"\xef\xbb\xbf" + GOOD_BYTES,
    "deep lists": b"[" * 200_000,
    "deep objects": b'{"a":' * 100_000,
    "deep and closed": b'{"inputs":' + b"[" * 5000 + b"]" * 5000 + b"}",
    "not UTF-8": GOOD_BYTES.replace(b"image", b"im\xff\xfege"),
    "overlong UTF-8": GOOD_BYTES.replace(b"image", b"im\xc0\xafge"),
    "half a surrogate pair": GOOD_BYTES.replace(b"image", b"im\\ud800ge"),
    "a bare control character": GOOD_BYTES.replace(b"image", b"im\x00ge"),
    "UTF-16": json.dumps(GOOD).encode("utf-16"),
}


@pytest.mark.parametrize("case", MODELS)
def test_a_model_that_cannot_answer_is_told_by_name(server, case):
    server.refuse(*MODELS[case])


@pytest.mark.parametrize("case", TENSORS)
def test_a_request_that_contradicts_the_model_names_field_and_expectation(server, case):
    server.refuse(*TENSORS[case])


@pytest.mark.parametrize("case", HEADER_LENGTHS)
def test_a_header_length_that_is_no_number_in_range_is_refused(server, case):
    data = binary(length=HEADER_LENGTHS[case])
    server.refuse(data, 400, "inference header size should be in range (0, ")


def test_a_header_length_that_cuts_the_json_is_refused(server):
    server.refuse(binary(length="20"), 400, "failed to parse the request JSON")


def test_a_header_length_of_0_makes_the_body_one_tensor_that_must_fit(server):
    server.refuse(infer(b"x" * 255, **{LENGTH: "0"}), 400, "'image' has 255 bytes, expected 256")


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (binary(data=IMAGE.tobytes()[:100]), "'image' has binary_data_size 256, but only 100"),
        (binary(data=b""), "'image' has binary_data_size 256, but only 0"),
        (binary(size=2**63 - 1), "'image' has binary_data_size 9223372036854775807, but only 256"),
        (binary(size=-1), "parameter 'binary_data_size' must be a whole number from 0"),
        (binary(data=IMAGE.tobytes() + b"more"), "4 bytes of binary data are left over"),
    ],
)  # fmt: skip
def test_a_tail_of_another_length_than_announced_is_refused(server, data, text):
    server.refuse(data, 400, text)


@pytest.mark.parametrize(
    ("tail", "text"),
    [
        (struct.pack("<I", 2**32 - 1) + b"abc", "says it has 4294967295 bytes but only 3 follow"),
        (b"\x01\x00", "2 stray bytes follow"),
        (struct.pack("<I", 1) + b"a" + struct.pack("<I", 1) + b"b", "has 2 BYTES elements"),
    ],
)
def test_a_bytes_tensor_whose_lengths_do_not_add_up_is_refused(server, tail, text):
    tensor = {"name": "text", "datatype": "BYTES", "shape": [1]}
    tensor["parameters"] = {"binary_data_size": len(tail)}
    head = json.dumps({"inputs": [tensor]}).encode()
    data = infer(head + tail, "words", **{LENGTH: str(len(head))})
    server.refuse(data, 400, "input 'text'", text)


@pytest.mark.parametrize("case", DOCUMENTS)
def test_what_is_no_json_object_in_utf8_is_refused(server, case):
    server.refuse(infer(DOCUMENTS[case]), 400, "JSON")


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "nan", "1e", "0x1", "01"])
def test_a_number_that_json_does_not_have_is_refused(server, number):
    server.refuse(text_changed("0.015625", number), 400, "failed to parse the request JSON")


@pytest.mark.parametrize("number", ["1e999", "9" * 5000])
def test_a_number_beyond_all_floats_is_refused(server, number):
    server.refuse(text_changed("0.015625", number), 400)


@pytest.mark.parametrize(
    "name", ["../../secret", "\0", "a\nb", "\N{FULLWIDTH SOLIDUS}", "n" * 1000, "%s%n", "{0}"]
)
def test_a_path_trick_in_a_tensors_name_is_only_a_wrong_name(server, name):
    server.refuse(changed(name=name), 400, f"unexpected inference input '{name}'")
    asked = infer(GOOD | {"outputs": [{"name": name}]})
    server.refuse(asked, 400, f"unexpected inference output '{name}'")


@pytest.mark.parametrize("name", ["n" * 1025, "", None, 7, ["image"]])
def test_a_tensors_name_that_is_none_is_refused(server, name):
    server.refuse(changed(name=name), 400, "must have a 'name' of 1 to 1024 characters")
