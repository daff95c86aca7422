"""NVIDIA's perf_analyzer measures this server over REST and gRPC as it would its own."""

from __future__ import annotations

import csv
import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.harness.server_process import CLIENT_PYTHON, ServerProcess, serving

BINARY = CLIENT_PYTHON.with_name("perf_analyzer")
LIBRARIES = CLIENT_PYTHON.parents[1] / "lib"
CUDA = [str(path) for path in LIBRARIES.glob("python3.*/site-packages/nvidia/cuda_runtime/lib")]
B64 = LIBRARIES / "libb64.so.0d"
# Short windows, three of which end a run whatever they say: the numbers are not looked at.
BRIEF = ["--measurement-interval", "300", "--stability-percentage", "999", "--max-trials", "10"]

pytestmark = [
    pytest.mark.skipif(not BINARY.exists(), reason="perf_analyzer is not installed"),
    pytest.mark.skipif(not B64.exists(), reason="perf_analyzer needs libb64; see fetch_libb64.sh"),
]


@pytest.fixture(scope="module")
def server(demo_repository: Path, tmp_path_factory) -> Iterator[ServerProcess]:
    """The demo models, and two of them with settings of their own."""
    root = tmp_path_factory.mktemp("configured")
    for source, name, settings in (
        # perf_analyzer knows no input that has a batch dimension and no other.
        ("language", "sentences", {"max_batch_size": 0}),
        ("digits-onnx", "joined", {"batching": {"max_queue_delay_us": 2000}}),
    ):
        shutil.copytree(demo_repository / source, root / name)
        (root / name / "model.yaml").write_text(json.dumps(settings))  # JSON is YAML
    with serving(demo_repository, root) as started:
        yield started


@pytest.fixture
def measure(server: ServerProcess, tmp_path: Path):
    """Runs perf_analyzer; the measured inferences per second."""

    def run(protocol: str, model: str, *options: str) -> float:
        address = server.url.removeprefix("http://") if protocol == "http" else server.grpc_address
        told, found = analyse(
            tmp_path / "report.csv", "-m", model, "-u", address, "-i", protocol, *options
        )
        # It reads the server's own statistics, which must have moved.
        (executions,) = re.findall(r"Execution count: (\d+)", told)
        assert int(executions) > 0
        return found

    return run


def analyse(report: Path, *options: str) -> tuple[str, float]:
    """What one run of perf_analyzer printed, and the inferences per second it measured."""
    done = subprocess.run(
        [BINARY, "-f", report, *BRIEF, *options],
        env={**os.environ, "LD_LIBRARY_PATH": ":".join([str(LIBRARIES), *CUDA])},
        capture_output=True, text=True, timeout=90, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    (row,) = csv.DictReader(report.read_text().splitlines())
    return done.stdout, float(row["Inferences/Second"])


@pytest.mark.parametrize("batch", ["1", "4"])
@pytest.mark.parametrize("protocol", ["http", "grpc"])
def test_numbers_are_measured(measure, protocol, batch):
    assert measure(protocol, "digits-onnx", "-b", batch) > 0


@pytest.mark.parametrize("protocol", ["http", "grpc"])
def test_strings_are_measured(measure, protocol):
    texts = ["--shape", "text:4", "--string-data", "Auf dem gefrorenen See"]
    assert measure(protocol, "sentences", *texts) > 0


@pytest.mark.parametrize("model", ["digits-torchscript", "digits-savedmodel"])
def test_the_other_runtimes_are_measured(measure, model):
    assert measure("grpc", model, "-b", "2") > 0


def test_streams_are_measured(measure):
    assert measure("grpc", "digits-onnx", "--streaming", "--async") > 0


@pytest.mark.parametrize("protocol", ["http", "grpc"])
def test_requests_under_way_together_are_joined(server, measure, protocol):
    def counts() -> tuple[int, int]:
        (told,) = httpx.get(f"{server.url}/v2/models/joined/stats").json()["model_stats"]
        return told["inference_count"], told["execution_count"]

    inferences, executions = counts()
    assert measure(protocol, "joined", "--concurrency-range", "8", "--async") > 0
    more_inferences, more_executions = counts()
    assert 0 < more_executions - executions < more_inferences - inferences


@pytest.mark.parametrize("options", [["-b", "4"], ["--shape", "image:1,1,8,8"]])
@pytest.mark.parametrize("model", ["digits-onnx", "digits-savedmodel"])
def test_tensorflow_servings_protocol_is_measured(server, tmp_path, model, options):
    service = ["--service-kind", "tfserving", "-i", "grpc", "-u", server.grpc_address]
    _, found = analyse(tmp_path / "report.csv", "-m", model, *service, *options)
    assert found > 0
