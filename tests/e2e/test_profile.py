"""Profiles of the real runtimes, taken of a server that answers meanwhile."""

from __future__ import annotations

import json
import threading
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor

import pytest

pytestmark = pytest.mark.slow

IMAGE = {"name": "image", "datatype": "FP32", "shape": [1, 1, 8, 8], "data": [0.5] * 64}


def post(url: str, document: object = None):
    body = json.dumps(document).encode() if document is not None else b""
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"})
    return urllib.request.urlopen(request, timeout=150)


def profile(server, model: str, query: str):
    return post(f"http://127.0.0.1:{server.metrics_port}/v2/models/{model}/profile{query}")


def asking(server, model: str, until: threading.Event) -> int:
    """Ask the model again and again; how many answers there were."""
    answers = 0
    while not until.is_set():
        with post(f"{server.url}/v2/models/{model}/infer", {"inputs": [IMAGE]}) as answer:
            assert json.load(answer)["outputs"]
        answers += 1
        until.wait(0.01)
    return answers


def taken(server, model: str, batches: int) -> tuple[str, bytes]:
    """The trace's name and content, of batches that are computed while it is taken."""
    done = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        answers = pool.submit(asking, server, model, done)
        try:
            with profile(server, model, f"?batches={batches}&seconds=120") as answer:
                name, content = answer.headers["content-disposition"], answer.read()
        finally:
            done.set()
        assert answers.result() >= batches
    return name, content


def names(content: bytes) -> list[str]:
    """Of all events in a trace of Chrome's form."""
    document = json.loads(content)
    events = document["traceEvents"] if isinstance(document, dict) else document
    return [event["name"] for event in events if "name" in event]


def test_pytorch(demo_server):
    name, content = taken(demo_server, "digits-torchscript", 3)
    assert name.endswith("digits-torchscript-1.torch.trace.json")
    assert names(content).count("aten::conv2d") % 3 == 0
    assert names(content).count("aten::conv2d") > 0
    assert b"/tmp" not in content


def test_onnx_runtime(demo_server):
    name, content = taken(demo_server, "digits-onnx", 3)
    assert name.endswith("digits-onnx-1.onnxruntime.trace.json")
    assert names(content).count("model_run") == 3
    operations = [e["args"].get("op_name") for e in json.loads(content) if e["cat"] == "Node"]
    assert operations.count("Conv") > 0
    assert operations.count("Conv") % 3 == 0


def test_tensorflow(demo_server):
    name, content = taken(demo_server, "digits-savedmodel", 3)
    assert name.endswith("digits-savedmodel-1.tensorflow.xplane.pb")
    from tensorflow.tsl.profiler.protobuf import xplane_pb2

    space = xplane_pb2.XSpace.FromString(content)
    found = {
        plane.event_metadata[event.metadata_id].name
        for plane in space.planes
        for line in plane.lines
        for event in line.events
    }
    assert any("Conv2D" in one for one in found), sorted(found)


@pytest.mark.parametrize(
    ("model", "query", "status", "words"),
    [
        ("digits-onnx", "", 400, "batches: expected a whole number"),
        ("digits-onnx", "?batches=0", 400, "from 1 to 1000"),
        ("digits-onnx", "?batches=1001", 400, "from 1 to 1000"),
        ("digits-onnx", "?batches=1&seconds=301", 400, "seconds: expected a number from 1 to 300"),
        ("nobody", "?batches=1", 404, "'nobody'"),
        ("digits-onnx", "?batches=1&seconds=1", 503, "send requests while"),
    ],
)
def test_what_cannot_be_is_refused(demo_server, model, query, status, words):
    with pytest.raises(urllib.error.HTTPError) as refused:
        profile(demo_server, model, query)
    assert refused.value.code == status
    assert words in json.load(refused.value)["error"]
