"""Hundreds of swaps, some of loads that fail, leave nothing behind in the gateway and zygotes."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil
import pytest

from server.repository.publish import publish
from tests.harness.echo_repository import DEFAULT, ask
from tests.harness.server_process import ServerProcess, serving

pytestmark = pytest.mark.slow

WARM_UP = 20
SWAPS = 200
MIB = 2**20
MAX_GROWTH = 20 * MIB

ECHO, ONNX = "echo", "digits-onnx"
IMAGE = {"name": "image", "datatype": "FP32", "shape": [1, 1, 8, 8], "data": [0.5] * 64}
GARBAGE = b"\xff" * 4096


@dataclass(frozen=True)
class Usage:
    """What the gateway and its zygotes hold; the workers belong to `processes` alone."""

    fds: int
    threads: int
    processes: int
    gateway: int
    zygotes: dict[str, int]

    @classmethod
    def of(cls, server: ServerProcess) -> Usage:
        gateway = psutil.Process(server.process.pid)
        zygotes = {zygote.cmdline()[-2]: zygote for zygote in gateway.children()}
        return cls(
            fds=gateway.num_fds() + sum(z.num_fds() for z in zygotes.values()),
            threads=gateway.num_threads() + sum(z.num_threads() for z in zygotes.values()),
            processes=len(gateway.children(recursive=True)),
            gateway=gateway.memory_info().rss,
            zygotes={name: z.memory_info().rss for name, z in sorted(zygotes.items())},
        )

    def counts_no_more_than(self, other: Usage) -> bool:
        return (
            self.fds <= other.fds
            and self.threads <= other.threads
            and self.processes <= other.processes
        )

    def __str__(self) -> str:
        zygotes = ", ".join(f"{name} {size / MIB:.1f}" for name, size in self.zygotes.items())
        return (
            f"{self.fds} fds, {self.threads} threads, {self.processes} processes, RSS in MiB: "
            f"gateway {self.gateway / MIB:.1f}, zygotes: {zygotes}"
        )


class Swapper:
    """Publishes versions and has them loaded, good ones and bad ones."""

    def __init__(self, server: ServerProcess, root: Path, good: Path) -> None:
        self._url = server.url
        self._client = httpx.Client(timeout=60)
        self._root = root
        self._good = good
        self._bad = good.with_name("bad.onnx")
        self._bad.write_bytes(GARBAGE)
        self.failed = 0

    def swap(self, number: int) -> None:
        """The swap `number`, from 0: one of five is of a real framework, one of ten fails."""
        model = ONNX if number % 5 == 4 else ECHO
        fails = number % 10 == (4 if number // 10 % 4 == 1 else 3)
        served = self._served(model)
        if model == ECHO:
            # One failing load tells what is wrong, the next one's process just ends.
            how = {"fail_load": "told to"} if number // 10 % 2 else {"exit_on_load": True}
            self._write_settings(how if fails else {})
        version = publish(self._bad if fails else self._good, self._root / model)
        answer = self._client.post(f"{self._url}/v2/repository/models/{model}/load")
        if fails:
            self.failed += 1
            assert answer.status_code == 400, answer.text
            assert self._served(model) == served
            shutil.rmtree(self._root / model / str(version))
        else:
            assert answer.status_code == 200, answer.text
            assert self._served(model) == version
            shutil.rmtree(self._root / model / str(served))

    def _served(self, model: str) -> int:
        body = {"inputs": [IMAGE]} if model == ONNX else ask([1.0, 2.0])
        answer = self._client.post(f"{self._url}/v2/models/{model}/infer", json=body)
        assert answer.status_code == 200, answer.text
        return int(answer.json()["model_version"])

    def _write_settings(self, options: dict[str, object]) -> None:
        """Only what changed: a file just written is read twice, in case it was half written."""
        content = json.dumps({"runtime": "echo", "inputs": DEFAULT, "options": options})
        file = self._root / ECHO / "model.yaml"
        if file.read_text() != content:
            file.write_text(content)


@pytest.fixture
def repository(tmp_path, demo_repository) -> Path:
    root = tmp_path / "models"
    for model in (ECHO, ONNX):
        shutil.copytree(demo_repository / ONNX, root / model)
    settings = {"runtime": "echo", "inputs": DEFAULT, "options": {}}
    (root / ECHO / "model.yaml").write_text(json.dumps(settings))
    return root


@pytest.fixture
def server(repository) -> Iterator[ServerProcess]:
    arguments = ("--model-control", "explicit", "--load-model", "*", "--load-retries", "0")
    with serving(repository, arguments=arguments) as started:
        yield started


@pytest.mark.slow
def test_200_swaps_leave_nothing_behind(server, repository, demo_repository, tmp_path):
    shared = set(Path("/dev/shm").iterdir())
    good = tmp_path / "good.onnx"
    shutil.copy(demo_repository / ONNX / "1/model.onnx", good)
    swapper = Swapper(server, repository, good)
    # The baseline is taken once code paths, allocators and thread pools are warm.
    for number in range(WARM_UP):
        swapper.swap(number)
    before = Usage.of(server)
    swapper.failed = 0

    for number in range(SWAPS):
        swapper.swap(number)

    after = _once_settled(server, before)
    print(f"\nafter {WARM_UP} swaps: {before}\nafter {SWAPS} more:  {after}")
    assert swapper.failed == SWAPS // 10
    assert after.counts_no_more_than(before), f"{before}; {after}"
    assert after.gateway - before.gateway < MAX_GROWTH
    assert after.zygotes.keys() == before.zygotes.keys()
    for name, size in after.zygotes.items():
        assert size - before.zygotes[name] < MAX_GROWTH
    assert set(Path("/dev/shm").iterdir()) <= shared


def _once_settled(server: ServerProcess, before: Usage) -> Usage:
    """What is held once ends of the last swap have been tied up; pools of threads may shrink."""
    deadline = time.monotonic() + 10
    while True:
        now = Usage.of(server)
        if now.counts_no_more_than(before) or time.monotonic() > deadline:
            return now
        time.sleep(0.05)
