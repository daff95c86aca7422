"""The image with Locust loads a server, locked up as in the Compose file."""

from __future__ import annotations

import json

from tests.harness.server_process import serving
from tests.images.engine import DEMO, IMAGE, engine, takes

pytestmark = takes("loadtests")


def test_it_asks_a_server_in_every_protocol_and_finds_nothing_wrong():
    arguments = ("--model-repository", str(DEMO), "--load-model", "digits-onnx")
    with serving(arguments=(*arguments, "--model-control", "explicit")) as server:
        server.wait_for("all models settled")
        said = engine(
            "run", "--rm", "--network=host", "--read-only", "--tmpfs=/tmp", "--cap-drop=ALL",
            "--security-opt=no-new-privileges", "--ulimit=nofile=10000:10000",
            "--ulimit=nproc=4096:4096", IMAGE, "--host", f"http://127.0.0.1:{server.http_port}",
            "--grpc-address", server.grpc_address, "--headless", "--users=5", "--spawn-rate=5",
            "--run-time=5s", "--exit-code-on-error=1", "--json",
        )  # fmt: skip

    stats = json.loads(said)

    assert {entry["method"] for entry in stats} == {
        "OIP REST", "OIP JSON", "OIP gRPC", "TFS REST", "TFS gRPC",
    }  # fmt: skip
    assert all(entry["num_requests"] > 0 and not entry["num_failures"] for entry in stats)
