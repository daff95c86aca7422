"""Documents and bytes nobody thought of, over REST to a real server: never the server's fault."""

from __future__ import annotations

import contextlib
import http.client
import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.harness.hostile import LENGTH, Watched, check_discreet, watched


@pytest.fixture(scope="module")
def server(tmp_path_factory, demo_repository):
    with watched(tmp_path_factory.mktemp("models"), demo_repository) as found:
        yield found


@pytest.fixture(autouse=True)
def unharmed(server: Watched):
    yield
    server.check_unharmed()


NAMES = st.one_of(st.sampled_from(["image", "text", "x", "left", "../x", ""]), st.text(max_size=8))
NUMBERS = st.one_of(
    st.integers(-3, 70), st.sampled_from([2**31, 2**62, 2**63, 2**64, -(2**63)]), st.floats()
)
JUNK = st.recursive(
    st.one_of(st.none(), st.booleans(), NUMBERS, NAMES),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(NAMES, inner, max_size=3)
    ),
    max_leaves=8,
)  # fmt: skip
DATATYPES = st.sampled_from(
    ["FP32", "FP64", "FP16", "BF16", "BYTES", "BOOL", "INT8", "UINT64", "fp32", ""]
)
SHAPES = st.one_of(
    st.sampled_from([[1, 1, 8, 8], [0, 1, 8, 8], [64], [1, 2], [], [0]]),
    st.lists(NUMBERS, max_size=5),
)
PARAMETERS = st.dictionaries(
    st.sampled_from(
        [
            "binary_data_size", "binary_data", "binary_data_output", "classification", "timeout",
            "priority", "sequence_id", "shared_memory_region", "triton_x", "x",
        ]
    ),
    st.one_of(NUMBERS, st.booleans(), NAMES, JUNK),
    max_size=3,
)  # fmt: skip
TENSORS = st.fixed_dictionaries(
    {},
    optional={
        "name": st.one_of(NAMES, JUNK),
        "datatype": st.one_of(DATATYPES, JUNK),
        "shape": st.one_of(SHAPES, JUNK),
        "data": st.one_of(st.just([0] * 64), st.lists(NUMBERS, max_size=4), JUNK),
        "parameters": st.one_of(PARAMETERS, JUNK),
    },
)
DOCUMENTS = st.one_of(
    st.fixed_dictionaries(
        {"inputs": st.one_of(st.lists(TENSORS, max_size=3), JUNK)},
        optional={
            "id": st.one_of(NAMES, JUNK),
            "outputs": st.one_of(st.lists(TENSORS, max_size=2), JUNK),
            "parameters": st.one_of(PARAMETERS, JUNK),
        },
    ),
    JUNK,
)
ANSWERED = {200, 400, 404, 413, 501, 503}
MODELS = st.sampled_from(["digits-onnx", "words", "pair", "bytes", "digits-onnx/versions/1"])


def ask_over(connection: http.client.HTTPConnection, model: str, body: bytes, **headers: str):
    """Status and body of one request on a connection that is kept."""
    connection.request("POST", f"/v2/models/{model}/infer", body, headers)
    answer = connection.getresponse()
    return answer.status, answer.read()


@pytest.fixture
def kept(server: Watched):
    connection = http.client.HTTPConnection("127.0.0.1", server.http_port, timeout=20)
    with contextlib.closing(connection):
        yield connection


FUZZ = settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@FUZZ
@given(MODELS, DOCUMENTS)
def test_no_document_is_the_servers_fault(kept, model, document):
    status, body = ask_over(kept, model, json.dumps(document).encode())
    assert status in ANSWERED, body
    if status != 200:
        check_discreet(json.loads(body)["error"])


@FUZZ
@given(MODELS, st.binary(max_size=200), st.one_of(st.integers(-5, 210), st.text("0123456789+-x ")))
def test_no_bytes_and_no_header_length_are_the_servers_fault(kept, model, data, length):
    status, body = ask_over(kept, model, data, **{LENGTH: str(length)})
    assert status in ANSWERED, body
    if status != 200:
        # What the client sent, which is quoted, may look like an address.
        check_discreet(json.loads(body)["error"].replace(str(length), ""))


@FUZZ
@given(MODELS, DOCUMENTS, st.binary(max_size=300))
def test_no_document_with_a_binary_tail_is_the_servers_fault(kept, model, document, tail):
    head = json.dumps(document).encode()
    status, body = ask_over(kept, model, head + tail, **{LENGTH: str(len(head))})
    assert status in ANSWERED, body
    if status != 200:
        check_discreet(json.loads(body)["error"])
