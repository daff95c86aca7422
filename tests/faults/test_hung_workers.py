"""Workers that live and do not answer, or die again and again: found, ended, replaced."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest

from protos import inference_pb2 as pb
from tests.harness.echo_repository import add_echo
from tests.harness.operator import FAST, Operator, in_background, until
from tests.harness.server_process import serving

BAD = [8.0, 0.0]
"""8.0 holds the byte 0x41, which no number of a good row does."""

LIMITS = ("--silence-timeout", "2", "--busy-timeout", "2")


@pytest.fixture(scope="module")
def at(tmp_path_factory) -> Iterator[Operator]:
    root: Path = tmp_path_factory.mktemp("models")
    add_echo(root, "stopped")
    add_echo(root, "hung", options={"hang_on": 0x41})
    add_echo(root, "crashing", options={"crash_on": 0x41})
    add_echo(root, "device-lost", options={"sticky_on": 0x41})
    add_echo(root, "neighbour")
    with serving(root, arguments=(*FAST, *LIMITS)) as server:
        yield Operator(server)


@contextlib.contextmanager
def nobody_else_notices(at: Operator) -> Iterator[None]:
    """Throughout, the server is live and the model beside answers."""
    other, over, wrong = Operator(at.server), threading.Event(), []

    def ask() -> None:
        while not over.wait(0.05):
            answers = (other.get("/v2/health/live"), other.infer("neighbour"))
            wrong.extend(answer for answer in answers if answer.status_code != 200)

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    yield
    over.set()
    thread.join(30)
    assert wrong == []


@pytest.fixture(autouse=True)
def unnoticed(at: Operator) -> Iterator[None]:
    with nobody_else_notices(at):
        yield


def infer_over_grpc(at: Operator, model: str, row: bytes) -> grpc.StatusCode:
    """The status of one request."""
    request = pb.ModelInferRequest(model_name=model)
    request.inputs.add(name="x", datatype="FP32", shape=[1, 2])
    request.raw_input_contents.append(row)
    with grpc.insecure_channel(at.server.grpc_address) as channel:
        call = channel.unary_unary("/inference.GRPCInferenceService/ModelInfer")
        try:
            call(request.SerializeToString(), timeout=30)
        except grpc.RpcError as error:
            return error.code()
    return grpc.StatusCode.OK


def replaced(at: Operator, model: str, pid: int) -> None:
    """Wait until another worker than `pid` answers; `pid` is gone then."""
    until(lambda: at.infer(model).status_code == 200)
    (worker,) = at.workers(model)
    assert worker.pid != pid


def test_a_stopped_worker_is_found_killed_and_replaced(at):
    (worker,) = at.workers("stopped")
    os.kill(worker.pid, signal.SIGSTOP)

    over_rest = in_background(lambda: at.infer("stopped"))
    over_grpc = in_background(lambda: infer_over_grpc(at, "stopped", bytes(8)))

    answer = over_rest.result(30)
    assert (answer.status_code, over_grpc.result(30)) == (503, grpc.StatusCode.UNAVAILABLE)
    assert "worker died" in answer.json()["error"]
    hung = at.server.wait_for("worker is hung; killing it", pid=worker.pid)
    assert hung["reason"].startswith("no sign of life for ")
    replaced(at, "stopped", worker.pid)


def test_a_model_that_never_returns_is_ended_after_the_busy_timeout(at):
    (worker,) = at.workers("hung")

    stuck = in_background(lambda: at.infer("hung", row=BAD))
    until(lambda: at.in_flight("hung") == 1)
    waiting = in_background(lambda: infer_over_grpc(at, "hung", bytes(8)))

    assert (stuck.result(30).status_code, waiting.result(30)) == (503, grpc.StatusCode.UNAVAILABLE)
    hung = at.server.wait_for("worker is hung; killing it", pid=worker.pid)
    assert hung["reason"].startswith("one batch takes over ")
    replaced(at, "hung", worker.pid)


def test_one_crash_is_answered_by_another_worker_at_once(at):
    (worker,) = at.workers("crashing")

    died = at.infer("crashing", row=BAD)

    assert (died.status_code, "worker died" in died.json()["error"]) == (503, True)
    replaced(at, "crashing", worker.pid)


def test_a_crash_loop_is_slowed_down_and_told_to_clients(at):
    def told() -> str:
        answer = at.infer("crashing", row=BAD)
        assert answer.status_code == 503
        return answer.json()["error"] if "times within" in answer.text else ""

    reason = until(told)

    assert reason.startswith("'crashing' version 1 is not at ready state: its worker died ")
    assert re.search(r"died \d+ times within \d+ s; next start in ", reason)
    assert at.get("/v2/models/crashing/ready").status_code == 503
    loop = at.server.wait_for("worker crash loop", model="crashing")
    assert loop["deaths"] >= 5
    assert at.states("crashing") == {"1": "READY"}  # its version is loaded; its workers are not
    until(lambda: at.infer("crashing").status_code == 200)
    assert at.get("/v2/models/crashing/ready").status_code == 200


def test_a_broken_gpu_context_ends_the_worker_and_the_next_request_is_answered(at):
    (worker,) = at.workers("device-lost")

    lost = at.infer("device-lost", row=BAD)

    assert lost.status_code == 503
    assert lost.json()["error"] == (
        "the model's GPU context is broken and its worker is replaced; send the request again"
    )
    replaced(at, "device-lost", worker.pid)


def test_a_killed_zygote_is_survived_by_its_workers_and_new_loads(tmp_path):
    for name in ("orphaned", "neighbour"):
        add_echo(tmp_path, name)
    with serving(tmp_path, arguments=FAST) as server, nobody_else_notices(Operator(server)):
        at = Operator(server)
        (zygote,) = {worker.ppid() for worker in at.workers("neighbour")}
        (worker,) = at.workers("orphaned")

        os.kill(zygote, signal.SIGKILL)
        server.wait_for("zygote exited")

        assert at.infer("orphaned").status_code == 200
        assert at.workers("orphaned") == []  # it lives on, and is nobody's child
        worker.kill()
        until(lambda: at.workers("orphaned"))
        until(lambda: at.infer("orphaned").status_code == 200)
