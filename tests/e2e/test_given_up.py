"""Requests that nobody waits for any more are not computed, and what is too much is refused.

The echo model `slow` takes its time for each request and ends its process on a 9: if one was
computed, another worker is there afterwards.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator

import grpc
import pytest

from protos import inference_pb2 as pb
from tests.harness.echo_repository import add_echo
from tests.harness.operator import Operator, in_background, until
from tests.harness.server_process import serving

INFER = "/inference.GRPCInferenceService/ModelInfer"
NEVER = 9
MODEL = "slow"
DELAY_MS = 1000


@pytest.fixture(scope="module")
def at(tmp_path_factory) -> Iterator[Operator]:
    root = tmp_path_factory.mktemp("given-up")
    settings = {
        "inputs": [{"name": "x", "datatype": "UINT8", "shape": [-1, 1]}],
        "options": {"delay_ms": DELAY_MS, "crash_on": NEVER},
        "max_queue_rows": 2,
    }
    add_echo(root, MODEL, **settings)
    with serving(root) as server:
        yield Operator(server)


@pytest.fixture(autouse=True)
def unharmed(at: Operator) -> Iterator[None]:
    (before,) = at.workers(MODEL)
    yield
    assert rest(at, 1) == (200, [1])
    (after,) = at.workers(MODEL)
    assert after == before


def document(value: int, **parameters: int) -> dict[str, object]:
    data = {"name": "x", "datatype": "UINT8", "shape": [1, 1], "data": [value]}
    return {"inputs": [data], "parameters": parameters}


def rest(at: Operator, value: int, **parameters: int) -> tuple[int, object]:
    """Status and what was answered."""
    answer = at.post(f"/v2/models/{MODEL}/infer", document(value, **parameters))
    found = answer.json()
    return answer.status_code, found["outputs"][0]["data"] if "outputs" in found else found["error"]


def message(value: int) -> bytes:
    tensor = pb.ModelInferRequest.InferInputTensor(name="x", datatype="UINT8", shape=[1, 1])
    request = pb.ModelInferRequest(
        model_name=MODEL, inputs=[tensor], raw_input_contents=[bytes([value])]
    )
    return request.SerializeToString()


class OverRest:
    """A connection on which NEVER is asked for."""

    def __init__(self, at: Operator) -> None:
        self._sock = socket.create_connection(("127.0.0.1", at.server.http_port))

    def ask(self) -> None:
        body = json.dumps(document(NEVER)).encode()
        head = f"POST /v2/models/{MODEL}/infer HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}"
        self._sock.sendall(head.encode() + b"\r\n\r\n" + body)

    def close(self) -> None:
        self._sock.close()


class OverGrpc:
    """The same over gRPC."""

    def __init__(self, at: Operator) -> None:
        self._channel = grpc.insecure_channel(at.server.grpc_address)
        grpc.channel_ready_future(self._channel).result(timeout=20)

    def ask(self) -> None:
        # Kept: one that is forgotten is cancelled.
        self._call = self._channel.unary_unary(INFER).future(message(NEVER))

    def close(self) -> None:
        self._channel.close()


@pytest.mark.parametrize("kind", [OverRest, OverGrpc])
def test_a_closed_connection_ends_its_request_before_it_is_computed(at, kind):
    connection = kind(at)
    computing = in_background(lambda: rest(at, 1))
    until(lambda: at.in_flight(MODEL) == 1)
    connection.ask()
    until(lambda: at.in_flight(MODEL) == 2)

    connection.close()

    assert computing.result() == (200, [1])
    until(lambda: at.in_flight(MODEL) == 0)


def over_rest_by_header(at: Operator) -> bool:
    client = at._client
    url = f"{at.server.url}/v2/models/{MODEL}/infer"
    answer = client.post(url, json=document(NEVER), headers={"Request-Timeout": "0.05"})
    return answer.status_code == 504 and "deadline" in answer.json()["error"]


def over_rest_by_parameter(at: Operator) -> bool:
    status, _ = rest(at, NEVER, timeout=50_000)
    return status == 504


def over_grpc(at: Operator) -> bool:
    with grpc.insecure_channel(at.server.grpc_address) as channel:
        with pytest.raises(grpc.RpcError) as raised:
            channel.unary_unary(INFER)(message(NEVER), timeout=0.3)
        return raised.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED


@pytest.mark.parametrize("late", [over_rest_by_header, over_rest_by_parameter, over_grpc])
def test_a_request_past_its_deadline_is_told_so_and_not_computed(at, late):
    computing = in_background(lambda: rest(at, 1))
    until(lambda: at.in_flight(MODEL) == 1)

    assert late(at)

    assert computing.result() == (200, [1])


def test_what_is_more_than_may_wait_is_refused_with_a_hint(at):
    path = f"/v2/models/{MODEL}/infer"
    running = [in_background(lambda: at.post(path, document(2))) for _ in range(6)]
    answers = [one.result() for one in running]
    refused = [one for one in answers if one.status_code == 429]

    # One is computed and two may wait; where that one was done before the last came, three.
    assert refused
    assert {one.status_code for one in answers} == {200, 429}
    for one in refused:
        assert one.json()["error"] == "2 rows wait already, max_queue_rows is 2"
        assert one.headers["retry-after"] == "1"
