"""What tests with hostile input share: exact bytes on the wire, and proof that nothing was harmed.

No HTTP client is used for what is bad: clients correct, refuse or escape much of it by themselves.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import re
import shutil
import socket
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import psutil

from tests.harness.echo_repository import add_echo
from tests.harness.family import workers
from tests.harness.operator import until
from tests.harness.server_process import ServerProcess, serving

LIMIT = 2**20
"""max_message_bytes of a hostile server."""

MODEL = "digits-onnx"
BROKEN = "broken"
IMAGE = np.arange(64, dtype=np.float32) / 64
INPUT = {"name": "image", "datatype": "FP32", "shape": [1, 1, 8, 8], "data": IMAGE.tolist()}
LENGTH = "Inference-Header-Content-Length"

# Folders of this machine, tracebacks, shared memory's and objects' names.
_PRIVATE = re.compile(
    r"/(work|usr|tmp|home|root|proc|dev|opt|var|models)\b|site-packages|\.venv|\.py\b|Traceback"
    r"|shm|psm_|memfd|0x[0-9a-f]{6,}|object at|<class|line \d+, in"
)


@dataclass(frozen=True)
class Answer:
    """An HTTP answer; `error` is its sentence, wherever that stands."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def error(self) -> str:
        if self.headers.get("content-type") != "application/json":
            return self.body.decode()
        document = json.loads(self.body)
        assert set(document) == {"error"}
        return document["error"]


def request(method: str, target: str, body: bytes = b"", **headers: str | bytes) -> bytes:
    """A request's exact bytes; `_` in a header's name stands for `-`. Nothing is escaped."""
    named = {"Host": "test", "Content-Length": str(len(body))} | {
        name.replace("_", "-"): value for name, value in headers.items()
    }
    lines = [f"{method} {target} HTTP/1.1".encode("utf-8", "surrogateescape")]
    for name, value in named.items():
        raw = value if isinstance(value, bytes) else value.encode()
        lines.append(name.encode() + b": " + raw)
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


def infer(document: object, model: str = MODEL, **headers: str | bytes) -> bytes:
    """An inference request with `document` as JSON, or as it is where it is bytes."""
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    return request("POST", f"/v2/models/{model}/infer", body, **headers)


def connect(port: int) -> socket.socket:
    """A connection that never waits longer than a test may."""
    return socket.create_connection(("127.0.0.1", port), timeout=20)


def read_answer(sock: socket.socket) -> Answer:
    """The next answer on `sock`; HTTPException or OSError where there is none."""
    response = http.client.HTTPResponse(sock)
    with contextlib.closing(response):
        response.begin()
        body = response.read()
    headers = {name.lower(): value for name, value in response.getheaders()}
    return Answer(response.status, headers, body)


def exchange(port: int, data: bytes) -> Answer:
    """Send `data` on a connection of its own and read one answer, even before all is sent."""
    with connect(port) as sock:
        # The server may answer and close early; the answer is there nonetheless.
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            sock.sendall(data)
        return read_answer(sock)


def check_discreet(text: str) -> None:
    """Fail where `text` tells of this machine or of the server's inside."""
    assert _PRIVATE.search(text) is None, text
    assert len(text) <= 4096


class Watched:
    """A server that must come out of every test as it went in."""

    def __init__(self, server: ServerProcess, repository: Path) -> None:
        self.server = server
        self.process = psutil.Process(server.process.pid)
        until(lambda: not workers(server, BROKEN))  # that of a load that failed ends a moment later
        self._family = self._pids()
        session = onnxruntime.InferenceSession(repository / MODEL / "1/model.onnx")
        (self._expected,) = session.run(None, {"image": IMAGE.reshape(1, 1, 8, 8)})

    @property
    def http_port(self) -> int:
        return self.server.http_port

    def exchange(self, data: bytes) -> Answer:
        return exchange(self.http_port, data)

    def refuse(self, data: bytes, status: int, *texts: str) -> Answer:
        """The answer to `data`, which must be a refusal of that status that says `texts`."""
        answer = self.exchange(data)
        assert answer.status == status, answer.body
        check_discreet(answer.error)
        for text in texts:
            assert text in answer.error, answer.error
        return answer

    def check_unharmed(self) -> None:
        """The same processes are alive and the next good request is answered rightly."""
        assert self.server.process.poll() is None
        # Frontends may be processes of their own.
        family = [self.process, *self.process.children()]
        listening = [c for one in family for c in one.net_connections("tcp")]
        ports = {c.laddr.port for c in listening if c.status == psutil.CONN_LISTEN}
        assert {self.server.http_port, self.server.grpc_port} <= ports
        assert self._pids() == self._family
        self.check_answers()

    def check_answers(self) -> None:
        """A good request is answered rightly."""
        answer = self.exchange(infer({"inputs": [INPUT]}))
        assert answer.status == 200, answer.body
        (output,) = json.loads(answer.body)["outputs"]
        np.testing.assert_allclose([output["data"]], self._expected, atol=1e-6)

    def _pids(self) -> set[int]:
        """Zygotes and workers: a worker that died would be back under another id."""
        return {child.pid for child in self.process.children(recursive=True)}


def write_repository(root: Path, demo_repository: Path) -> None:
    """One real model, and others for what it does not have; `broken` cannot be loaded."""
    shutil.copytree(demo_repository / MODEL, root / MODEL)
    pair = [{"name": n, "datatype": "FP32", "shape": [-1, 2]} for n in ("left", "right")]
    add_echo(root, "pair", inputs=pair)
    add_echo(root, "words", inputs=[{"name": "text", "datatype": "BYTES", "shape": [-1]}])
    add_echo(
        root,
        "bytes",
        inputs=[{"name": "b", "datatype": "UINT8", "shape": [-1]}],
        max_batch_size=0,
    )
    (root / "growing/1").mkdir(parents=True)
    (root / "growing/1/model.onnx").write_bytes(growing())
    add_echo(root, "slow", options={"delay_ms": 300})
    add_echo(root, "slower", options={"delay_ms": 3000})
    add_echo(root, BROKEN, options={"fail_load": "told to"})


def growing() -> bytes:
    """An ONNX model that makes a little into much: `size` INT64 [1] gives `zeros` FP32 [size]."""
    from onnx import TensorProto, helper

    size = helper.make_tensor_value_info("size", TensorProto.INT64, [1])
    zeros = helper.make_tensor_value_info("zeros", TensorProto.FLOAT, ["n"])
    node = helper.make_node("ConstantOfShape", ["size"], ["zeros"])
    graph = helper.make_graph([node], "graph", [size], [zeros])
    opsets = [helper.make_opsetid("", 18)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=9)
    return model.SerializeToString()


@contextlib.contextmanager
def watched(root: Path, demo_repository: Path) -> Iterator[Watched]:
    """A server with small limits over `write_repository`; its log must hold no surprise."""
    write_repository(root, demo_repository)
    # A retry of the broken model would be a new process in the midst of a test.
    arguments = ("--max-message-bytes", str(LIMIT), "--load-retries", "0")
    with serving(root, arguments=arguments) as server:
        yield Watched(server, root)
        assert server.stop() == 0
        server.wait_for("stopped")
        surprises = [event for event in server.events if _is_surprise(event)]
        assert not surprises, surprises


def _is_surprise(event: dict[str, Any]) -> bool:
    if event["event"] == "failed to load":
        return event["model"] != BROKEN
    return event["event"] == "not json" or event.get("level") not in ("info", "warning")
