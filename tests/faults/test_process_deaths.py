"""Processes that die or are told to stop, seen from outside by clients."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import threading
import time

import httpx
import psutil
import pytest

from tests.harness.echo_repository import add_echo, ask
from tests.harness.family import workers, zygotes
from tests.harness.server_process import ROOT, ServerProcess, serving


def until(condition, seconds=20.0):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "the condition never came true"
        time.sleep(0.02)


@pytest.fixture
def two_models(tmp_path):
    add_echo(tmp_path, "slow", options={"delay_ms": 60_000})
    add_echo(tmp_path, "other")
    with serving(tmp_path) as server:
        yield server


def infer(server, model, timeout=30.0):
    return httpx.post(
        f"{server.url}/v2/models/{model}/infer", json=ask([1.0, 2.0]), timeout=timeout
    )


def test_kill_9_ends_calls_in_flight_at_once_and_no_other_model_notices(two_models):
    answers: list[httpx.Response] = []
    waiting = [
        threading.Thread(target=lambda: answers.append(infer(two_models, "slow"))) for _ in range(3)
    ]
    for thread in waiting:
        thread.start()
    until(lambda: two_models.in_flight("slow") == 3)
    (slow,) = workers(two_models, "slow")

    os.kill(slow.pid, signal.SIGKILL)

    # The model would take a minute; the threads end now.
    for thread in waiting:
        thread.join(10)
        assert not thread.is_alive()
    assert [answer.status_code for answer in answers] == [503, 503, 503]
    assert "worker died" in answers[0].json()["error"]
    assert infer(two_models, "other").status_code == 200
    until(lambda: httpx.get(f"{two_models.url}/v2/models/slow/ready").status_code == 200)
    (again,) = workers(two_models, "slow")
    assert again.pid != slow.pid


def test_a_killed_gateway_leaves_no_process_behind(two_models):
    family = psutil.Process(two_models.process.pid).children(recursive=True)
    assert len(family) >= 3  # a zygote and two workers, and frontends where there are several

    two_models.process.kill()
    two_models.process.wait()

    _, alive = psutil.wait_procs(family, timeout=10)
    assert alive == []


def test_sigterm_finishes_what_is_in_flight_and_exits_with_0(tmp_path):
    add_echo(tmp_path, "slow", options={"delay_ms": 2500})
    with serving(tmp_path) as server:
        family = psutil.Process(server.process.pid).children(recursive=True)
        answers: list[httpx.Response] = []
        waiting = threading.Thread(target=lambda: answers.append(infer(server, "slow")))
        waiting.start()
        until(lambda: server.in_flight("slow") == 1)

        assert server.stop() == 0

        waiting.join(10)
        assert answers[0].status_code == 200
        assert answers[0].json()["outputs"][0]["data"] == [1.0, 2.0]
        _, alive = psutil.wait_procs(family, timeout=10)
        assert alive == []


def test_a_second_signal_stops_at_once(tmp_path):
    add_echo(tmp_path, "slow", options={"delay_ms": 60_000})
    with serving(tmp_path) as server:

        def cut_off():
            with contextlib.suppress(httpx.HTTPError):
                infer(server, "slow")

        thread = threading.Thread(target=cut_off)
        thread.start()
        until(lambda: server.in_flight("slow") == 1)
        server.process.send_signal(signal.SIGINT)
        server.wait_for("stopping: finishing what is in flight")

        server.process.send_signal(signal.SIGINT)

        assert server.process.wait(10) == 1
        thread.join(10)


def test_the_server_is_not_ready_while_it_stops(tmp_path):
    add_echo(tmp_path, "slow", options={"delay_ms": 1500})
    with serving(tmp_path) as server, httpx.Client() as client:
        ready = f"{server.url}/v2/health/ready"
        assert client.get(ready).status_code == 200
        waiting = threading.Thread(target=lambda: infer(server, "slow"))
        waiting.start()
        until(lambda: server.in_flight("slow") == 1)
        server.process.send_signal(signal.SIGTERM)
        server.wait_for("stopping: finishing what is in flight")

        # Either the door is closed already, or whoever is let in hears that it is not ready.
        with contextlib.suppress(httpx.HTTPError):
            assert client.get(ready).status_code == 503
        waiting.join(10)


def test_what_a_worker_prints_is_in_the_log_with_its_model_and_version(tmp_path):
    add_echo(tmp_path, "chatty", options={"say": "hello from the worker"}, versions=(7,))
    with serving(tmp_path) as server:
        line = server.wait_for("worker output", text="hello from the worker")

    assert (line["model"], line["version"]) == ("chatty", 7)


def test_a_runtime_runs_from_an_environment_without_the_servers_dependencies(
    tmp_path, demo_repository
):
    other = ROOT / ".venvs/onnx/bin/python"
    assert other.exists(), "run `make test`, which creates it"
    repository = tmp_path / "models"
    repository.mkdir()
    shutil.copytree(demo_repository / "digits-onnx", repository / "digits-onnx")
    config = tmp_path / "underway.yaml"
    config.write_text(f"runtimes: {{onnx: {{python: {other}}}}}\n")
    with serving(repository, arguments=("--config", str(config))) as server:
        (zygote,) = zygotes(server)
        assert zygote.cmdline()[0] == str(other)
        modules = zygote.memory_maps()
        assert not any("fastapi" in m.path or "pydantic" in m.path for m in modules)
        image = {"name": "image", "datatype": "FP32", "shape": [1, 1, 8, 8], "data": [0.5] * 64}
        answer = httpx.post(f"{server.url}/v2/models/digits-onnx/infer", json={"inputs": [image]})
        assert abs(sum(answer.json()["outputs"][0]["data"]) - 1) < 1e-5


def test_a_signal_to_the_whole_process_group_still_finishes_what_is_in_flight(tmp_path):
    add_echo(tmp_path, "slow", options={"delay_ms": 4000})
    with serving(tmp_path) as server:
        answers: list[httpx.Response] = []
        waiting = threading.Thread(target=lambda: answers.append(infer(server, "slow")))
        waiting.start()
        until(lambda: server.in_flight("slow") == 1)
        for process in psutil.Process(server.process.pid).children(recursive=True):
            process.terminate()

        assert server.stop() == 0

        waiting.join(10)
        assert answers[0].status_code == 200


def test_the_server_is_not_ready_while_every_worker_is_dead(tmp_path):
    add_echo(tmp_path, "fragile", options={"crash_on": "?"})
    with serving(tmp_path) as server:
        ready = f"{server.url}/v2/health/ready"
        assert httpx.get(ready).status_code == 200
        # A worker that cannot start again: its zygote is stopped.
        (zygote,) = zygotes(server)
        zygote.suspend()
        (worker,) = workers(server, "fragile")
        os.kill(worker.pid, signal.SIGKILL)

        until(lambda: httpx.get(ready).status_code == 503)
        assert httpx.get(f"{server.url}/v2/health/live").status_code == 200
        zygote.resume()
        until(lambda: httpx.get(ready).status_code == 200)


def test_a_gateway_killed_while_it_loads_leaves_no_process_behind(tmp_path):
    add_echo(tmp_path, "slow", options={"load_ms": 60_000})
    server = ServerProcess("--model-repository", str(tmp_path))
    try:
        server.wait_for("loading", model="slow")
        gateway = psutil.Process(server.process.pid)
        until(lambda: len(gateway.children(recursive=True)) == 2)
        family = gateway.children(recursive=True)
    finally:
        server.process.kill()
        server.process.wait()

    _, alive = psutil.wait_procs(family, timeout=10)
    assert alive == []


def test_a_server_told_to_stop_while_it_loads_stops(tmp_path):
    add_echo(tmp_path, "slow", options={"load_ms": 60_000})
    server = ServerProcess("--model-repository", str(tmp_path))
    server.wait_for("loading", model="slow")

    assert server.stop() == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_server_told_to_stop_while_it_imports_stops_with_all_it_started(tmp_path, number):
    (tmp_path / "m/1").mkdir(parents=True)
    (tmp_path / "m/1/model.onnx").touch()
    server = ServerProcess("--model-repository", str(tmp_path))
    gateway = psutil.Process(server.process.pid)
    until(gateway.children)  # its zygote has a head start
    family = gateway.children(recursive=True)

    server.process.send_signal(number)

    assert server.process.wait(30) == 0
    _, alive = psutil.wait_procs(family, timeout=10)
    assert alive == []


def test_a_port_that_is_taken_is_told_and_leaves_nothing_behind(tmp_path):
    (tmp_path / "m/1").mkdir(parents=True)
    (tmp_path / "m/1/model.onnx").touch()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        server = ServerProcess("--model-repository", str(tmp_path), "--metrics-port", port)
        gateway = psutil.Process(server.process.pid)
        until(gateway.children)
        family = gateway.children(recursive=True)
        assert server.process.wait(30) == 2
    _, alive = psutil.wait_procs(family, timeout=10)
    assert alive == []
