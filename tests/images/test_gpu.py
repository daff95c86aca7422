"""What the GPU image does where there is no GPU: what asks for one fails, and says why."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import pytest

from tests.images.container import Container, started
from tests.images.engine import MODELS, RUNTIMES, engine, over_rest, takes

DRIVER = "libcuda.so.1"
LINKED = {
    "onnx": ["onnxruntime/capi/libonnxruntime_providers_cuda.so"],
    "torchscript": ["torch/lib/libtorch_cuda.so", "torch/lib/libtorch_cuda_linalg.so"],
}
"""What of a framework is linked to CUDA. TensorFlow finds its libraries by name, when it starts."""

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
