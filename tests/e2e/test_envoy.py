"""A frontend in Envoy keeps its manners: bounds, absent and slow clients, broken HTTP, the end."""

from __future__ import annotations

import contextlib
import json
import socket
from collections.abc import Iterator

import grpc
import httpx
import pytest

from protos import inference_pb2 as pb
from protos import tf_core_pb2 as core
from protos import tfs_api_pb2 as tf
from server.hosting.envoy_config import NO_PATH
from tests.harness import raw_http2 as h2
from tests.harness.echo_repository import add_echo, ask
from tests.harness.family import workers
from tests.harness.operator import Operator, in_background, until
from tests.harness.server_process import ServerProcess, serving

pytestmark = pytest.mark.slow

ENVOY = ("--frontend", "envoy")
LIMIT = 1 << 20
INFER = "/inference.GRPCInferenceService/ModelInfer"
MANY = 2000


@pytest.fixture(scope="module")
def at(tmp_path_factory) -> Iterator[Operator]:
    root = tmp_path_factory.mktemp("models")
    add_echo(root, "quick")
    add_echo(root, "stuck", options={"delay_ms": 600_000})
    add_echo(root, "wide", inputs=[{"name": "x", "datatype": "FP32", "shape": [-1, -1]}])
    with serving(root, arguments=(*ENVOY, "--max-message-bytes", str(LIMIT))) as server:
        yield Operator(server)
        for worker in workers(server, "stuck"):
            worker.kill()  # the stop would wait for it


@pytest.fixture(autouse=True)
def unharmed(request) -> Iterator[None]:
    """Whatever a client did, others are answered."""
    yield
    if "at" in request.fixturenames:
        at = request.getfixturevalue("at")
        assert at.answers("quick") == "1"
        assert not any("died" in line["event"] for line in at.server.events)


def _message(model: str, row: bytes = bytes(8)) -> bytes:
    message = pb.ModelInferRequest(model_name=model)
    message.inputs.add(name="x", datatype="FP32", shape=[1, len(row) // 4])
    message.raw_input_contents.append(row)
    encoded: bytes = message.SerializeToString()
    return encoded


@contextlib.contextmanager
def _calls(server: ServerProcess) -> Iterator[grpc.UnaryUnaryMultiCallable[bytes, bytes]]:
    with grpc.insecure_channel(server.grpc_address) as channel:
        yield channel.unary_unary(INFER)


def _talk(port: int, sent: bytes) -> bytes:
    """What comes back before the server closes the connection."""
    with socket.create_connection(("127.0.0.1", port), timeout=30) as sock:
        sock.sendall(sent)
        with sock.makefile("rb") as file:
            return file.read()


# ---- bounds and broken HTTP ----------------------------------------------------------------------


def test_either_port_answers_both_protocols(at):
    for port in (at.server.http_port, at.server.grpc_port):
        assert httpx.get(f"http://127.0.0.1:{port}/v2/health/live").status_code == 200
        with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
            assert channel.unary_unary(INFER)(_message("quick"), timeout=30)


def test_a_large_head_is_refused_as_all_errors_are(at):
    answer = httpx.get(f"{at.server.url}/v2", headers={"x": "y" * 70_000})
    assert answer.status_code == 431
    assert list(answer.json()) == ["error"]
    assert "envoy" not in answer.text.lower() + str(answer.headers).lower()


@pytest.mark.parametrize("path", ["/v1/models/%ff", "/v2/models/%ed%a0%80", "/%", "/%f", "/%zz"])
def test_a_path_that_is_no_text_is_refused_as_all_errors_are(at, path):
    head = f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    status, _, rest = _talk(at.server.http_port, head.encode()).partition(b"\r\n")
    assert status.split()[1] == b"400"
    assert json.loads(rest.split(b"\r\n\r\n")[1]) == {"error": NO_PATH}


def test_tensorflow_servings_api_is_behind_the_same_door(at):
    rest = httpx.post(
        f"{at.server.url}/v1/models/quick:predict", json={"instances": [[1.5, 2.0]]}, timeout=30
    )
    asked = tf.PredictRequest(model_spec=tf.ModelSpec(name="quick"))
    asked.inputs["x"].CopyFrom(
        core.TensorProto(
            dtype=core.DT_FLOAT,
            tensor_shape=core.TensorShapeProto(
                dim=[core.TensorShapeProto.Dim(size=1), core.TensorShapeProto.Dim(size=2)]
            ),
            float_val=[1.5, 2.0],
        )
    )
    with grpc.insecure_channel(at.server.grpc_address) as channel:
        predict = channel.unary_unary("/tensorflow.serving.PredictionService/Predict")
        answer = tf.PredictResponse.FromString(predict(asked.SerializeToString(), timeout=30))
        asked.model_spec.name = "nobody"
        with pytest.raises(grpc.RpcError) as refused:
            predict(asked.SerializeToString(), timeout=30)

    assert rest.json() == {"predictions": [[1.5, 2.0]]}
    (output,) = answer.outputs.values()
    assert list(output.float_val) == [1.5, 2.0]
    assert answer.model_spec.version.value == 1
    assert refused.value.code() is grpc.StatusCode.NOT_FOUND


def test_an_answer_to_head_has_no_body_and_the_connection_goes_on(at):
    with httpx.Client(base_url=at.server.url, timeout=30) as client:
        for path in ("/v1/models/quick", "/v2/models/quick", "/nowhere"):
            assert client.head(path).content == b""
            assert client.get("/v2/health/live").status_code == 200


def test_a_large_body_is_refused_by_the_settings_name(at):
    answer = at.infer("wide", row=[1.5] * LIMIT)
    assert answer.status_code == 413
    assert f"max_message_bytes ({LIMIT} bytes)" in answer.json()["error"]
    with _calls(at.server) as call:
        with pytest.raises(grpc.RpcError) as caught:
            call(_message("wide", bytes(8 * LIMIT)), timeout=30)
        assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert f"max_message_bytes ({LIMIT} bytes)" in caught.value.details()
        assert call(_message("quick"), timeout=30)


@pytest.mark.parametrize(
    "sent",
    [b"\0\1\2\3\r\n\r\n", b"GET / HTTP/1.1\r\nno colon\r\n\r\n",
     b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
     b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n"],
)  # fmt: skip
def test_what_is_no_http_is_refused_and_the_connection_closed(at, sent):
    assert b" 400 " in _talk(at.server.http_port, sent).split(b"\r\n")[0]


@pytest.mark.parametrize(
    "sent",
    [
        h2.frame(h2.SETTINGS, payload=bytes(5)),
        h2.frame(h2.DATA, stream=1, payload=b"x"),
        h2.frame(h2.HEADERS, h2.END_HEADERS, 2, h2.call_fields(INFER)),
        h2.frame(h2.HEADERS, h2.END_HEADERS, 1, b"\xff\xff\xff\xff\xff"),
        h2.frame(h2.CONTINUATION, h2.END_HEADERS, 1, h2.call_fields(INFER)),
        h2.frame(h2.WINDOW_UPDATE, payload=bytes(4)),
        b"\xff\xff\xff" + bytes(6),
        h2.frame(h2.PING, payload=bytes(8)) * 200_000,
        h2.frame(h2.HEADERS, 0, 1, h2.call_fields(INFER))
        + h2.frame(h2.CONTINUATION, 0, 1, h2.fields(("x", "y" * 100))) * 2000,
    ],
    ids=[
        "settings", "data", "even", "hpack", "continuation", "window", "length", "pings", "endless",
    ],
)  # fmt: skip
def test_broken_http2_ends_its_own_connection(at, sent):
    with h2.Connection(at.server) as connection:
        with contextlib.suppress(ConnectionError):
            connection.sock.sendall(sent)
        assert all(frame.kind != h2.DATA for frame in connection.frames())


# ---- clients that leave or dawdle ----------------------------------------------------------------


def test_a_closed_connection_cancels_its_requests(at):
    with _calls(at.server) as call:
        asked = [call.future(_message("stuck")) for _ in range(3)]
        client = httpx.Client()
        in_background(
            lambda: client.post(f"{at.server.url}/v2/models/stuck/infer", json=ask([1.0, 2.0]))
        )
        until(lambda: at.in_flight("stuck") == 4)
        for one in asked:
            one.cancel()
        until(lambda: at.in_flight("stuck") == 1)
        client.close()
        until(lambda: at.in_flight("stuck") == 0)


def test_a_deadline_ends_its_request(at):
    with _calls(at.server) as call, pytest.raises(grpc.RpcError) as caught:
        call(_message("stuck"), timeout=0.3)
    assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    until(lambda: at.in_flight("stuck") == 0)


def test_clients_that_do_not_read_or_finish_hold_nobody_up(at):
    row = _message("wide", bytes(LIMIT // 2))
    with contextlib.ExitStack() as stack:
        for number in range(40):
            sock = socket.create_connection(("127.0.0.1", at.server.http_port))
            stack.enter_context(sock).sendall(b"POST /v2/models/quick/infer HT"[: number + 1])
        deaf = stack.enter_context(h2.Connection(at.server))
        for stream in range(1, 32, 2):  # answers of 8 MiB, of which none is taken
            deaf.call(stream, INFER, row)
        with _calls(at.server) as call:
            for _ in range(50):
                assert call(_message("quick"), timeout=30)
                assert at.answers("quick") == "1"


def test_thousands_of_connections_are_answered(at):
    request = b"GET /v2/health/live HTTP/1.1\r\nHost: x\r\n\r\n"
    address = ("127.0.0.1", at.server.http_port)
    with contextlib.ExitStack() as stack:
        socks = [stack.enter_context(socket.create_connection(address)) for _ in range(MANY)]
        for sock in socks:
            sock.sendall(request)
        assert {sock.recv(1000)[:15] for sock in socks} == {b"HTTP/1.1 200 OK"}


# ---- the end -------------------------------------------------------------------------------------


def test_sigterm_finishes_what_is_in_flight_and_sends_clients_away(tmp_path):
    add_echo(tmp_path, "slow", options={"delay_ms": 2500})
    with serving(tmp_path, arguments=ENVOY) as server, h2.Connection(server) as connection:
        connection.call(1, INFER, _message("slow"))
        url = f"{server.url}/v2/models/slow/infer"
        answer = in_background(lambda: httpx.post(url, json=ask([1.0, 2.0]), timeout=30))
        until(lambda: Operator(server).in_flight("slow") == 2)

        assert server.stop() == 0
        frames = list(connection.frames())
        rest = answer.result(30)

    assert (rest.status_code, rest.headers["connection"]) == (200, "close")
    assert any(frame.kind == h2.GOAWAY for frame in frames)
    assert any(frame.kind == h2.DATA for frame in frames)
    assert [one.flags & h2.END_STREAM for one in frames if one.kind == h2.HEADERS] == [0, 1]
    assert not any("killed" in line["event"] or "died" in line["event"] for line in server.events)


def test_at_its_age_a_connection_is_told_that_this_was_the_last_answer(tmp_path):
    add_echo(tmp_path, "quick")
    with serving(tmp_path, arguments=(*ENVOY, "--max-connection-age", "0.2")) as server:
        url = f"{server.url}/v2/models/quick/infer"
        with httpx.Client() as client, _calls(server) as call:

            def is_last() -> bool:
                call(_message("quick"))  # on a connection that says goodbye without a loss
                answer = client.post(url, json=ask([1.0, 2.0])).raise_for_status()
                return answer.headers.get("connection") == "close"

            until(is_last)
            until(is_last)
