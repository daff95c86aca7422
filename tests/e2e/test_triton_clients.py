"""tritonclient's four clients, each in a process of its own, against a real server.

What is asked and expected stands in clients/*_checks.py; every check is a test here.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.clients.every_check import checks_of
from tests.e2e.clients.registry import ALL
from tests.harness.echo_repository import add_echo
from tests.harness.server_process import CLIENT_PYTHON, ServerProcess, run_client, serving

PROGRAM = Path(__file__).with_name("clients") / "triton.py"
EVERY = [(flavour, check.name) for flavour in ALL for check in checks_of(flavour)]

pytestmark = pytest.mark.skipif(
    not CLIENT_PYTHON.exists(), reason="the clients' environment is missing; make test sets it up"
)


def tensor(name: str, datatype: str, *shape: int, **more: object) -> dict[str, object]:
    return {"name": name, "datatype": datatype, "shape": shape, **more}


@pytest.fixture(scope="module")
def server(demo_repository: Path, tmp_path_factory, carriers) -> Iterator[ServerProcess]:
    """The demo models, and echoes for what those cannot show."""
    root = tmp_path_factory.mktemp("echoes")
    pair = [tensor("x", "INT32", -1, 2), tensor("y", "FP64", -1, 1)]
    add_echo(root, "pairs", inputs=pair)
    add_echo(root, "versions", versions=(1, 2), version_policy="all", max_batch_size=0)
    add_echo(root, "strings", inputs=[tensor("x", "BYTES", -1, 2)])
    add_echo(root, "moody", inputs=[tensor("x", "UINT8", -1, 2)], options={"fail_on": 66})
    add_echo(root, "slow", options={"delay_ms": 1000})
    add_echo(root, "broken", options={"fail_load": "this one is out of order"})
    labelled = tensor("colour", "FP32", -1, 3, labels=["red", "green", "blue"])
    add_echo(root, "labelled", inputs=[tensor("x", "FP32", -1, 3)], outputs=[labelled])
    # No second attempt: the broken model shall be seen broken, not on its way again.
    with serving(demo_repository, root, arguments=(*carriers, "--load-retries", "0")) as started:
        yield started


@pytest.fixture(scope="module")
def said(server: ServerProcess):
    """What each flavour's program says of its checks; it runs when first asked for."""
    kept: dict[str, dict[str, str]] = {}

    def of(flavour: str) -> dict[str, str]:
        if flavour not in kept:
            grpc = flavour.startswith("grpc")
            address = server.grpc_address if grpc else server.url.removeprefix("http://")
            kept[flavour] = json.loads(run_client(PROGRAM, flavour, address))
        return kept[flavour]

    return of


@pytest.mark.parametrize(("flavour", "check"), EVERY)
def test_tritonclient(said, flavour, check):
    outcome = said(flavour)[check]
    if outcome != "ok":
        pytest.fail(outcome, pytrace=False)
