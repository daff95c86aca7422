"""What the GPU image does where there is no GPU: what asks for one fails, and says why."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import pytest

from tests.images.container import LOCKED, Container, started
from tests.images.engine import ENGINE, IMAGE, MODELS, RUNTIMES, over_rest, takes

DRIVER = "libcuda.so.1"
LINKED = {
    "onnx": ["onnxruntime/capi/libonnxruntime_providers_cuda.so"],
    "torchscript": ["torch/lib/libtorch_cuda.so", "torch/lib/libtorch_cuda_linalg.so"],
    "savedmodel": [
        "nvidia/cuda_runtime/lib/libcudart.so.12", "nvidia/cublas/lib/libcublas.so.12",
        "nvidia/cudnn/lib/libcudnn.so.9", "nvidia/cufft/lib/libcufft.so.11",
        "nvidia/cusolver/lib/libcusolver.so.11", "nvidia/cusparse/lib/libcusparse.so.12",
        "nvidia/nccl/lib/libnccl.so.2", "nvidia/cuda_cupti/lib/libcupti.so.12",
    ],
}  # fmt: skip
"""By runtime, what is linked to CUDA. TensorFlow opens these by name, once it sees a GPU."""

TRACE = """
import glob, os, subprocess
site, = glob.glob("/opt/underway/{runtime}/lib/python*/site-packages")
folders = ":".join(glob.glob(site + "/nvidia/*/lib"))  # as the runtime opens them beforehand
for name in {names}:
    traced = subprocess.run(
        ["/lib64/ld-linux-x86-64.so.2", "--library-path", folders, os.path.join(site, name)],
        env={{"LD_TRACE_LOADED_OBJECTS": "1"}}, capture_output=True, text=True)
    print(traced.stdout, traced.stderr)
"""

pytestmark = [
    *takes("gpu"),
    pytest.mark.skipif(Path("/dev/nvidia0").exists(), reason="this machine has a GPU"),
]


@pytest.fixture(scope="module")
def repository(models, tmp_path_factory) -> Path:
    """Every demo model twice: as it is, and as `NAME-on-gpu`, which asks for a GPU."""
    folder: Path = tmp_path_factory.mktemp("gpu") / "models"
    folder.parent.chmod(0o755)
    for model in MODELS:
        shutil.copytree(models / model, folder / model)
        shutil.copytree(models / model, folder / f"{model}-on-gpu")
        (folder / f"{model}-on-gpu/model.yaml").write_text("device: cuda:0\n")
    return folder


@pytest.fixture(scope="module")
def container(repository) -> Iterator[Container]:
    loaded = [f"--load-model={model}" for model in MODELS]
    command = ("serve", "--model-control", "explicit", *loaded)
    with started(f"--volume={repository}:/models:ro", command=command) as running:
        yield running


@pytest.mark.parametrize("model", MODELS)
def test_a_model_that_asks_for_a_gpu_fails_and_says_that_there_is_no_driver(container, model):
    url = f"http://127.0.0.1:{container.http}/v2/repository/models/{model}-on-gpu"
    answer = httpx.post(f"{url}/load", timeout=120)

    assert answer.status_code >= 400
    assert f"NVIDIA's driver ({DRIVER}) is not there" in answer.json()["error"]
    assert "device 'cuda:0'" in answer.json()["error"]
    assert httpx.get(f"http://127.0.0.1:{container.http}/v2/models/{model}-on-gpu").is_error
    assert np.sum(over_rest(container.http, model)) == pytest.approx(1, abs=1e-4)


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_its_environment_has_every_library_but_the_driver(container, runtime):
    told = container.python(TRACE.format(runtime=runtime, names=LINKED[runtime]))

    assert told.count("libc.so.6 => ") == len(LINKED[runtime]), told
    assert set(re.findall(r"(\S+) => not found", told)) <= {DRIVER}


def test_doctor_tells_which_models_ask_for_a_gpu_and_what_to_do(repository):
    ports = [f"--{name}-port=0" for name in ("http", "grpc", "metrics")]
    done = subprocess.run(
        [*ENGINE, "run", "--rm", *LOCKED, f"--volume={repository}:/models:ro", IMAGE,
         "doctor", "--json", "--host=127.0.0.1", *ports],
        capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip

    found = {one["name"]: one for one in json.loads(done.stdout)["findings"]}

    assert done.returncode == 2, done.stderr
    for runtime in RUNTIMES:
        assert found[runtime]["grade"] == "ok"
        assert found[runtime]["details"]["cuda"], f"{runtime} is built without CUDA"
        asked = f"models ask for cuda:0: digits-{runtime}, digits-{runtime}-on-gpu"
        assert asked in found[f"{runtime}-gpu"]["text"]
        assert "--gpus all" in found[f"{runtime}-gpu"]["advice"]
