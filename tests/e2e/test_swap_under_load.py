"""Versions come and go while clients of both protocols keep asking, and not one request fails."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from loadtests.swap.bench import addresses, demo_copy, history, publish_versions
from loadtests.swap.load import swap_load
from loadtests.swap.questions import MODELS
from loadtests.swap.verdict import Verdict, judge
from tests.harness.echo_repository import add_echo, ask
from tests.harness.server_process import ServerProcess, serving

RATE = 150.0
CLIENTS = 32
ONNX, SAVED_MODEL, TORCHSCRIPT = MODELS


class Digits:
    """A server over the three digits models, and the repository it follows."""

    def __init__(self, server: ServerProcess, repository: Path, work: Path) -> None:
        self._server = server
        self._repository = repository
        self._work = work

    def swap_under_load(self, models: list[str], versions: int) -> Verdict:
        """What became of a load on all models while some went through new versions together."""
        places = addresses(self._server)
        with swap_load(places, MODELS, RATE, CLIENTS, self._work) as load:
            publish_versions(self._server, self._repository, models, versions)
            records = load.stop()
        return judge(records, MODELS, history(self._server))


@pytest.fixture(scope="module")
def digits(demo_repository, tmp_path_factory) -> Iterator[Digits]:
    work = tmp_path_factory.mktemp("swap")
    with demo_copy(demo_repository, work / "models") as folder, serving(folder) as server:
        yield Digits(server, folder, work / "load")


@pytest.mark.parametrize(
    ("models", "versions"),
    [([ONNX], 16), ([SAVED_MODEL], 4), ([TORCHSCRIPT], 4), ([ONNX, TORCHSCRIPT], 4)],
    ids=["onnx", "savedmodel", "torchscript", "two at once"],
)
def test_no_request_fails_while_versions_are_swapped(digits, models, versions):
    verdict = digits.swap_under_load(models, versions)

    assert verdict.failures == {}
    assert verdict.strangers == ()
    for model in MODELS:
        # Every version was asked at least once, or the load would prove nothing; the last one may
        # have come too late for that.
        expected = {versions, versions + 1} if model in models else {1}
        assert verdict.versions[model] in expected


@pytest.mark.parametrize("last", [False, True], ids=["another serves", "it was the last"])
def test_a_version_removed_while_requests_are_in_it_answers_them_all(tmp_path, last):
    root = tmp_path / "models"
    root.mkdir()
    folder = add_echo(
        root, "slow", versions=(1,) if last else (1, 2), options={"delay_ms": 1200},
        version_policy="all",
    )  # fmt: skip
    with serving(root) as server, ThreadPoolExecutor(8) as clients:
        first = f"{server.url}/v2/models/slow/versions/1/infer"
        waiting = [clients.submit(httpx.post, first, json=ask([1.0, 2.0])) for _ in range(3)]
        _until_in_flight(server, "slow", 3)

        shutil.rmtree(folder / "1")
        server.wait_for("draining", model="slow", version=1)
        assert not any(future.done() for future in waiting[1:])

        after = httpx.post(first, json=ask([1.0, 2.0]))
        answers = [future.result() for future in waiting]
        server.wait_for("unloaded", model="slow", version=1)
        default = httpx.post(f"{server.url}/v2/models/slow/infer", json=ask([1.0, 2.0]))

    assert [answer.status_code for answer in answers] == [200] * 3
    assert {answer.json()["model_version"] for answer in answers} == {"1"}
    assert after.status_code == 503
    assert default.status_code == (503 if last else 200)


def _until_in_flight(server: ServerProcess, model: str, count: int) -> None:
    deadline = time.monotonic() + 20
    while (seen := server.in_flight(model)) != count:
        assert time.monotonic() < deadline, f"{seen} in flight, never {count}"
        time.sleep(0.02)
