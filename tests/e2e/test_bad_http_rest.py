"""Bad HTTP to a real server: sizes, encodings, verbs, routes and names; nobody is harmed."""

from __future__ import annotations

import gzip
import json
import zlib

import pytest

from tests.harness.hostile import (
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
TOO_LARGE = f"larger than max_message_bytes ({LIMIT} bytes); raise --max-message-bytes"


@pytest.fixture(scope="module")
def server(tmp_path_factory, demo_repository):
    with watched(tmp_path_factory.mktemp("models"), demo_repository) as found:
        yield found


@pytest.fixture(autouse=True)
def unharmed(server: Watched):
    yield
    server.check_unharmed()


def compressed(encoding: str, body: bytes) -> bytes:
    return infer(body, Content_Encoding=encoding)


def chunked(chunks: list[bytes]) -> bytes:
    head = request("POST", "/v2/models/digits-onnx/infer", Transfer_Encoding="chunked")
    head = head.replace(b"Content-Length: 0\r\n", b"")
    return head + b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in [*chunks, b""])


def without_body(length: str) -> bytes:
    """Headers that promise a body which never comes: the refusal must not wait for it."""
    return request("POST", "/v2/models/digits-onnx/infer", Content_Length=length)


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
    server.refuse(data, 413, TOO_LARGE)


def test_a_request_of_exactly_the_limit_is_answered(server):
    assert server.exchange(infer(GOOD_BYTES.ljust(LIMIT))).status == 200


@pytest.mark.parametrize("length", ["-1", "abc", "1, 2", str(10**30), "0x10"])
def test_a_content_length_that_is_no_length_is_refused(server, length):
    server.refuse(without_body(length), 400)


def test_both_ways_of_telling_a_bodys_length_are_refused_together(server):
    data = chunked([GOOD_BYTES]).replace(b"Host: test", b"Host: test\r\nContent-Length: 3")
    server.refuse(data, 400)


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
def test_a_decompression_bomb_is_refused_with_the_setting(server, encoding):
    before = server.process.memory_info().rss
    zeros = bytes(200 * 2**20)
    bomb = gzip.compress(zeros, 9) if encoding == "gzip" else zlib.compress(zeros, 9)
    assert len(bomb) < LIMIT
    server.refuse(compressed(encoding, bomb), 413, TOO_LARGE)
    assert server.process.memory_info().rss - before < 64 * 2**20


@pytest.mark.parametrize(
    ("encoding", "body", "text"),
    [
        ("gzip", GOOD_BYTES, "not valid gzip data"),
        ("deflate", GOOD_BYTES, "not valid deflate data"),
        ("gzip", gzip.compress(GOOD_BYTES, mtime=0)[:-9], "the gzip body is truncated"),
        (
            "gzip",
            gzip.compress(GOOD_BYTES, mtime=0) + b"more",
            "bytes follow the end of the gzip body",
        ),
        ("gzip", b"", "the gzip body is truncated"),
        (
            "gzip",
            gzip.compress(gzip.compress(GOOD_BYTES, mtime=0), mtime=0),
            "failed to parse the request JSON",
        ),
    ],
    ids=["plain as gzip", "plain as deflate", "cut off", "more", "empty", "twice"],
)
def test_a_body_that_is_not_in_its_encoding_is_refused(server, encoding, body, text):
    server.refuse(compressed(encoding, body), 400, text)


@pytest.mark.parametrize("encoding", ["br", "zstd", "gzip, gzip", "x" * 3000])
def test_an_unsupported_encoding_is_refused_and_those_supported_are_told(server, encoding):
    answer = server.refuse(compressed(encoding, GOOD_BYTES), 501, "expected gzip, deflate or none")
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
            server.refuse(data, 413, "the response has", f"max_message_bytes ({LIMIT})")


@pytest.mark.parametrize("size", [LIMIT // 2, 50 * LIMIT])
def test_a_models_answer_over_the_limit_harms_not_even_its_worker(server, size):
    tensor = {"name": "size", "datatype": "INT64", "shape": [1], "data": [size // 4]}
    asked = {"inputs": [tensor], "parameters": {"binary_data_output": True}}
    if size < LIMIT:
        assert server.exchange(infer(asked, "growing")).status == 200
    else:
        server.refuse(infer(asked, "growing"), 413, f"{size} bytes", "--max-message-bytes")


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
    answer = server.refuse(request(method, target), 405, "Method Not Allowed")
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
    server.refuse(request("GET", target), 404, "Not Found")


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
    server.refuse(request("POST", target, json.dumps(document).encode()), 501, text)


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
    server.refuse(request("POST", target, json.dumps(document).encode()), 400, text)
