"""A SavedModel's signatures can be asked by name, over every form of the protocol."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.contract.saved_models import export_tf1
from tests.harness.server_process import CLIENT_PYTHON, run_client, serving

HERE = Path(__file__).parent
RECORDED = HERE.parent / "contract" / "data" / "prediction_logs.tfrecord"


@pytest.fixture(scope="module")
def repository(tmp_path_factory) -> Path:
    """The model `sizes`, with requests that TensorFlow Serving has recorded of it."""
    root = tmp_path_factory.mktemp("signatures")
    version = root / "models" / "sizes" / "1"
    export_tf1(version, root)
    (version.parent / "model.yaml").write_text("aliases: {x: size}\n")
    (version / "assets.extra").mkdir()
    file = version / "assets.extra" / "tf_serving_warmup_requests"
    file.write_bytes(_all_but_last(RECORDED.read_bytes()))
    return root / "models"


def _all_but_last(recorded: bytes) -> bytes:
    """Without the record that is refused."""
    at = last = 0
    while at < len(recorded):
        last, at = at, at + 16 + int.from_bytes(recorded[at : at + 8], "little")
    return recorded[:last]


@pytest.mark.skipif(not CLIENT_PYTHON.exists(), reason="the clients' environment is missing")
def test_tritonclient_asks_by_every_signature_and_several_frontends_know_them(repository):
    with serving(repository, arguments=("--frontends", "2")) as server:
        address = server.url.removeprefix("http://")
        run_client(HERE / "clients" / "signatures.py", address, server.grpc_address)
