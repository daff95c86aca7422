"""Bad input over REST to a real server: each row its exact refusal, and nobody is harmed."""

from __future__ import annotations

import gzip
import json
import struct
import zlib
from collections.abc import Sequence

import pytest

from tests.harness.hostile import (
    IMAGE,
    INPUT,
    LENGTH,
    LIMIT,
    Watched,
    check_discreet,
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
TOO_LARGE = f"larger than max_message_bytes ({LIMIT} bytes); raise --max-message-bytes"


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


def compressed(encoding: str, body: bytes) -> bytes:
    return infer(body, Content_Encoding=encoding)


def chunked(chunks: list[bytes]) -> bytes:
    head = request("POST", "/v2/models/digits-onnx/infer", Transfer_Encoding="chunked")
    head = head.replace(b"Content-Length: 0\r\n", b"")
    return head + b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in [*chunks, b""])


def without_body(length: str) -> bytes:
    """Headers that promise a body which never comes: the refusal must not wait for it."""
    return request("POST", "/v2/models/digits-onnx/infer", Content_Length=length)


def refuse(server: Watched, data: bytes, status: int, *texts: str):
    answer = server.exchange(data)
    assert answer.status == status, answer.body
    check_discreet(answer.error)
    for text in texts:
        assert text in answer.error
    return answer


MODELS = {
    "unknown model": (infer(GOOD, "nope"), 404, "unknown model: 'nope' is not found"),
    "unknown version": (
        infer(GOOD, "digits-onnx/versions/7"), 404, "'digits-onnx' version 7 is not found",
    ),
    "version 0": (infer(GOOD, "digits-onnx/versions/0"), 404, "version 0 is not found"),
    "a negative version": (infer(GOOD, "digits-onnx/versions/-1"), 404, "Not Found"),
    "a version in words": (infer(GOOD, "digits-onnx/versions/latest"), 404, "Not Found"),
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
    refuse(server, *MODELS[case])


@pytest.mark.parametrize("case", TENSORS)
def test_a_request_that_contradicts_the_model_names_field_and_expectation(server, case):
    refuse(server, *TENSORS[case])


@pytest.mark.parametrize("case", HEADER_LENGTHS)
def test_a_header_length_that_is_no_number_in_range_is_refused(server, case):
    data = binary(length=HEADER_LENGTHS[case])
    refuse(server, data, 400, "inference header size should be in range (0, ")


def test_a_header_length_that_cuts_the_json_is_refused(server):
    refuse(server, binary(length="20"), 400, "failed to parse the request JSON")


def test_a_header_length_of_0_makes_the_body_one_tensor_that_must_fit(server):
    refuse(server, infer(b"x" * 255, **{LENGTH: "0"}), 400, "'image' has 255 bytes, expected 256")


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
    refuse(server, data, 400, text)


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
    refuse(server, data, 400, "input 'text'", text)


@pytest.mark.parametrize("case", DOCUMENTS)
def test_what_is_no_json_object_in_utf8_is_refused(server, case):
    refuse(server, infer(DOCUMENTS[case]), 400, "JSON")


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "nan", "1e", "0x1", "01"])
def test_a_number_that_json_does_not_have_is_refused(server, number):
    refuse(server, text_changed("0.015625", number), 400, "failed to parse the request JSON")


@pytest.mark.parametrize("number", ["1e999", "9" * 5000])
def test_a_number_beyond_all_floats_is_refused(server, number):
    refuse(server, text_changed("0.015625", number), 400)


@pytest.mark.parametrize(
    "name",
    [
        "../../etc/passwd", "..%2f..%2fetc%2fpasswd", "%2e%2e/%2e%2e", "%252e%252e%252fetc",
        "..", ".", "%2e%2e", "%2fetc%2fpasswd", "//etc/passwd", "..\\..\\windows", "..%5c..%5cx",
        "digits-onnx%00", "%00", "digits-onnx/../digits-onnx", "digits-onnx%2f1%2fmodel.onnx",
        "%ef%bc%8f%e2%88%95", "\N{FULLWIDTH SOLIDUS}etc", "..%c0%af..", "%ff%fe", "\udcff\udcfe",
        "digits%0d%0aSet-Cookie:x", "~root", "digits-onnx;x", "digits-onnx%20", "%", "%zz",
        "DIGITS-ONNX", "n" * 5000, "a/" * 2000,
    ],
)  # fmt: skip
def test_a_path_trick_in_a_models_name_leads_nowhere(server, name):
    answer = server.exchange(infer(GOOD, name))
    assert answer.status in (400, 404), answer.body
    assert "set-cookie" not in answer.headers
    # The name itself may be told back; what it would lead to may not.
    told = answer.error
    assert told in ("Not Found", "the request is not valid HTTP/1.1") or "unknown model: '" in told
    assert "root:" not in told


@pytest.mark.parametrize(
    "name", ["../../secret", "\0", "a\nb", "\N{FULLWIDTH SOLIDUS}", "n" * 1000, "%s%n", "{0}"]
)
def test_a_path_trick_in_a_tensors_name_is_only_a_wrong_name(server, name):
    refuse(server, changed(name=name), 400, f"unexpected inference input '{name}'")
    asked = infer(GOOD | {"outputs": [{"name": name}]})
    refuse(server, asked, 400, f"unexpected inference output '{name}'")


@pytest.mark.parametrize("name", ["n" * 1025, "", None, 7, ["image"]])
def test_a_tensors_name_that_is_none_is_refused(server, name):
    refuse(server, changed(name=name), 400, "must have a 'name' of 1 to 1024 characters")


@pytest.mark.parametrize(
    "data",
    [
        without_body(str(LIMIT + 1)),
        without_body(str(10**15)),
        without_body(str(2**63 - 1)),
        infer(b" " * (LIMIT + 1)),
        chunked([b" " * 2**16] * 17),
    ],
    ids=["announced", "huge", "highest", "sent", "chunked"],
)
def test_too_large_a_request_is_refused_with_the_setting(server, data):
    refuse(server, data, 413, TOO_LARGE)


def test_a_request_of_exactly_the_limit_is_answered(server):
    assert server.exchange(infer(GOOD_BYTES.ljust(LIMIT))).status == 200


@pytest.mark.parametrize("length", ["-1", "abc", "1, 2", str(10**30), "0x10"])
def test_a_content_length_that_is_no_length_is_refused(server, length):
    refuse(server, without_body(length), 400)


def test_both_ways_of_telling_a_bodys_length_are_refused_together(server):
    data = chunked([GOOD_BYTES]).replace(b"Host: test", b"Host: test\r\nContent-Length: 3")
    refuse(server, data, 400)


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
def test_a_decompression_bomb_is_refused_with_the_setting(server, encoding):
    before = server.process.memory_info().rss
    zeros = bytes(200 * 2**20)
    bomb = gzip.compress(zeros, 9) if encoding == "gzip" else zlib.compress(zeros, 9)
    assert len(bomb) < LIMIT
    refuse(server, compressed(encoding, bomb), 413, TOO_LARGE)
    assert server.process.memory_info().rss - before < 64 * 2**20


@pytest.mark.parametrize(
    ("encoding", "body", "text"),
    [
        ("gzip", GOOD_BYTES, "not valid gzip data"),
        ("deflate", GOOD_BYTES, "not valid deflate data"),
        ("gzip", gzip.compress(GOOD_BYTES)[:-9], "the gzip body is truncated"),
        ("gzip", gzip.compress(GOOD_BYTES) + b"more", "bytes follow the end of the gzip body"),
        ("gzip", b"", "the gzip body is truncated"),
        ("gzip", gzip.compress(gzip.compress(GOOD_BYTES)), "failed to parse the request JSON"),
    ],
    ids=["plain as gzip", "plain as deflate", "cut off", "more", "empty", "twice"],
)
def test_a_body_that_is_not_in_its_encoding_is_refused(server, encoding, body, text):
    refuse(server, compressed(encoding, body), 400, text)


@pytest.mark.parametrize("encoding", ["br", "zstd", "gzip, gzip", "x" * 3000])
def test_an_unsupported_encoding_is_refused_and_those_supported_are_told(server, encoding):
    answer = refuse(server, compressed(encoding, GOOD_BYTES), 501, "expected gzip, deflate or none")
    assert answer.headers["accept-encoding"] == "gzip, deflate"


def test_an_answer_over_the_limit_is_refused_with_the_setting(server):
    count = LIMIT // 3
    tensor = {"name": "b", "datatype": "UINT8", "shape": [count]}
    tensor["parameters"] = {"binary_data_size": count}
    for binary_answer in (True, False):
        asked = {"inputs": [tensor], "parameters": {"binary_data_output": binary_answer}}
        head = json.dumps(asked).encode()
        data = infer(head + b"\xff" * count, "bytes", **{LENGTH: str(len(head))})
        if binary_answer:
            assert server.exchange(data).status == 200
        else:  # "255," is four times as long
            refuse(server, data, 413, "the response has", f"max_message_bytes ({LIMIT})")


@pytest.mark.parametrize(
    ("method", "target", "allowed"),
    [
        ("GET", "/v2/models/digits-onnx/infer", "POST"),
        ("DELETE", "/v2/models/digits-onnx/infer", "POST"),
        ("PUT", "/v2/models/digits-onnx/versions/1/infer", "POST"),
        ("POST", "/v2/models/digits-onnx", "GET"),
        ("DELETE", "/v2/models/digits-onnx", "GET"),
        ("PATCH", "/v2/health/ready", "GET"),
        ("POST", "/v2", "GET"),
        ("GET", "/v2/repository/index", "POST"),
        ("DELETE", "/v2/logging", "GET, POST"),
    ],
)
def test_a_wrong_verb_is_told_the_right_one(server, method, target, allowed):
    answer = refuse(server, request(method, target), 405, "Method Not Allowed")
    assert answer.headers["allow"] == allowed


@pytest.mark.parametrize(
    "target",
    [
        "/", "/v3", "/v2/", "/v2/models", "/v2/models/", "/v2/models/digits-onnx/",
        "/v2/models/digits-onnx/predict", "/v2/models/digits-onnx/versions", "/infer",
        "/v2/models/digits-onnx/versions/1/versions/1/infer", "/v2/../v2", "/etc/passwd",
        "/v2/health/ready/../live", "/v2/health", "/metrics", "/?x=1",
    ],
)  # fmt: skip
def test_an_unknown_route_is_not_found(server, target):
    refuse(server, request("GET", target), 404, "Not Found")


@pytest.mark.parametrize("method", ["FOO", "get", "CONNECT", "PRI", "GET\0", ""])
def test_a_verb_that_http_does_not_have_is_refused(server, method):
    answer = server.exchange(request(method, "/v2"))
    assert answer.status in (400, 404, 405)
    check_discreet(answer.error)


@pytest.mark.parametrize(
    ("target", "document", "text"),
    [
        ("/v2/repository/models/digits-onnx/load", {}, "load / unload is not allowed"),
        ("/v2/repository/models/digits-onnx/unload", {}, "load / unload is not allowed"),
        (
            "/v2/repository/models/x/load",
            {"parameters": {"config": "{}", "file:../../../etc/cron.d/x": "eA=="}},
            "load / unload is not allowed",
        ),
        ("/v2/repository/elsewhere/index", {}, "'repository_name' specification is not supported"),
        (
            "/v2/systemsharedmemory/region/x/register",
            {"key": "/../etc/passwd", "offset": 0, "byte_size": 2**63},
            "shared memory regions are not offered",
        ),
        ("/v2/logging", {"log_file": "/etc/passwd"}, "log_file"),
        ("/v2/trace/setting", {"trace_file": "/etc/passwd"}, "trace_file"),
    ],
)
def test_what_is_not_offered_is_refused_as_such(server, target, document, text):
    refuse(server, request("POST", target, json.dumps(document).encode()), 501, text)


@pytest.mark.parametrize(
    ("target", "document", "text"),
    [
        ("/v2/repository/index", {"ready": 1}, "'ready' must be true or false"),
        ("/v2/repository/index", [], "must be an object"),
        (
            "/v2/repository/models/x/load",
            {"parameters": {"file:1/model.onnx": "no base64!"}},
            "'file:1/model.onnx' must be a file's content in base64",
        ),
        (
            "/v2/repository/models/x/unload",
            {"parameters": {"unload_dependents": "yes"}},
            "'unload_dependents' must be true or false",
        ),
    ],
)  # fmt: skip
def test_a_bad_body_elsewhere_is_refused_naming_its_field(server, target, document, text):
    refuse(server, request("POST", target, json.dumps(document).encode()), 400, text)
