"""The engine that runs images, the image that is tested, and how its server is asked."""

from __future__ import annotations

import os
import socket
import subprocess
from pathlib import Path

import grpc
import httpx
import numpy as np
import numpy.typing as npt
import pytest

from protos import inference_pb2 as oip

IMAGE = os.environ.get("UNDERWAY_TEST_IMAGE", "")
TARGET = os.environ.get("UNDERWAY_TEST_TARGET", "")
ENGINE = os.environ.get("UNDERWAY_TEST_ENGINE", "docker").split()
DEMO = Path(__file__).parents[2] / ".demo/models"
ALONE = ["onnx", "torchscript", "savedmodel"]
RUNTIMES = [TARGET] if TARGET in ALONE else ALONE
MODELS = [f"digits-{runtime}" for runtime in RUNTIMES]
INFER = "/inference.GRPCInferenceService/ModelInfer"
PIXELS = np.linspace(0, 1, 64, dtype=np.float32)
IMAGE_INPUT = {"name": "image", "datatype": "FP32", "shape": [1, 1, 8, 8], "data": PIXELS.tolist()}
BODY = {"inputs": [IMAGE_INPUT]}


def takes(*targets: str) -> list[pytest.MarkDecorator]:
    """Marks of tests that take an image of one of these targets."""
    here = bool(IMAGE) and TARGET in targets
    why = f"no such image was built; `make image-test TARGET={targets[0]}` does"
    return [pytest.mark.skipif(not here, reason=why), pytest.mark.timeout(600)]


SERVERS = ("cpu", "gpu", *ALONE)


def engine(*arguments: str, environment: dict[str, str] | None = None) -> str:
    """What the engine prints; fails with all it said where it fails."""
    done = subprocess.run(
        [*ENGINE, *arguments], capture_output=True, text=True, timeout=300, check=False,
        env={**os.environ, **(environment or {})},
    )  # fmt: skip
    assert done.returncode == 0, f"{arguments}: {done.stdout}{done.stderr}"
    return done.stdout


def modest(folder: Path) -> dict[str, str]:
    """Environment with podman's settings where it has no flags: limits that it may always set."""
    settings = folder / "containers.conf"
    settings.write_text(
        '[containers]\ndefault_ulimits = ["nofile=10000:10000", "nproc=4096:4096"]\n'
    )
    return {"CONTAINERS_CONF": str(settings)}


def free_ports() -> list[int]:
    """Three, for REST, gRPC and metrics."""
    held = [socket.create_server(("127.0.0.1", 0)) for _ in range(3)]
    ports = [one.getsockname()[1] for one in held]
    for one in held:
        one.close()
    return ports


def wait_until_ready(container: str) -> None:
    """Every model: of several, the server is ready before the last is."""
    log = subprocess.Popen(
        [*ENGINE, "logs", "--follow", container],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    seen = []
    with log:
        assert log.stdout is not None
        for line in log.stdout:
            seen.append(line)
            if "all models settled" in line:
                log.terminate()
                break
        else:
            pytest.fail("".join(seen))
    assert '"failed": 0' in seen[-1] or '"failed":0' in seen[-1] or "failed=0" in seen[-1], seen


def over_rest(port: int, model: str) -> npt.NDArray[np.float32]:
    """The probabilities that the model gives for PIXELS."""
    url = f"http://127.0.0.1:{port}/v2/models/{model}/infer"
    answer = httpx.post(url, json=BODY, timeout=60)
    assert answer.status_code == 200, answer.text
    (found,) = [one for one in answer.json()["outputs"] if one["name"] == "probabilities"]
    return np.array(found["data"], np.float32)


def over_grpc(port: int, model: str) -> npt.NDArray[np.float32]:
    """The same by gRPC."""
    request = oip.ModelInferRequest(model_name=model, raw_input_contents=[PIXELS.tobytes()])
    request.inputs.add(name="image", datatype="FP32", shape=[1, 1, 8, 8])
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        infer = channel.unary_unary(
            INFER,
            request_serializer=oip.ModelInferRequest.SerializeToString,
            response_deserializer=oip.ModelInferResponse.FromString,
        )
        response = infer(request, timeout=60)
    place = [one.name for one in response.outputs].index("probabilities")
    return np.frombuffer(response.raw_output_contents[place], np.float32)
