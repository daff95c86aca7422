"""The Compose file starts gateway, Prometheus and Locust, which find each other by name.

For podman a stand-in for Prometheus' image is made of the binary that the tests have, where its own
is not there. Grafana is left out: it takes its own image, and a person who looks at it.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from tests.harness.operator import until
from tests.harness.prometheus import PROMETHEUS
from tests.harness.server_process import ROOT
from tests.images.engine import ENGINE, MODELS, engine, modest, takes

FILE = ROOT / "deploy/compose/compose.yaml"
SERVICES = yaml.safe_load(FILE.read_text("utf-8"))["services"]
TOOL = ["docker", "compose"] if ENGINE[0] == "docker" else ["podman-compose"]
STAND_IN = """
FROM docker.io/library/python:3.11-slim-bookworm
COPY prometheus /bin/prometheus
ENTRYPOINT ["/bin/prometheus", "--config.file=/etc/prometheus/prometheus.yml", \
"--storage.tsdb.path=/tmp/prometheus"]
"""

LONG = 120.0
"""Seconds that containers may take on a busy machine; Prometheus looks every 15 s."""

pytestmark = [
    *takes("loadtests"),
    pytest.mark.skipif(not shutil.which(TOOL[0]), reason=f"{TOOL[0]} is not installed"),
]


def there(image: str) -> bool:
    return not subprocess.run(
        [*ENGINE, "image", "inspect", image], capture_output=True, timeout=60, check=False
    ).returncode


def make_stand_in(image: str, folder: Path) -> None:
    shutil.copy(PROMETHEUS, folder / "prometheus")
    (folder / "Dockerfile").write_text(STAND_IN)
    engine("build", "--isolation", "chroot", "--pull=never", "--tag", image, str(folder))


@pytest.fixture(scope="module")
def services(models, tmp_path_factory) -> Iterator[None]:
    gateway, prometheus = (SERVICES[name]["image"] for name in ("gateway", "prometheus"))
    if not there(gateway):
        pytest.skip(f"{gateway} is not there; `make image` builds it")
    folder = tmp_path_factory.mktemp("compose")
    command, environment = TOOL, {**os.environ, "MODELS": str(models)}
    if ENGINE[0] == "podman":
        command = [*TOOL, f"--podman-args={' '.join(ENGINE[1:])}"]
        environment |= modest(folder)
        if not there(prometheus):
            make_stand_in(prometheus, folder)

    def compose(*arguments: str) -> None:
        done = subprocess.run(
            [*command, "-f", str(FILE), *arguments],
            env=environment, capture_output=True, text=True, timeout=300, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr

    try:
        compose("up", "--detach", "gateway", "prometheus", "locust")
        yield
    finally:
        compose("down")


def ask(path: str, port: int) -> Any:
    """The JSON at that place, None where nobody answers yet."""
    try:
        answer = httpx.get(f"http://127.0.0.1:{port}{path}", timeout=20)
    except httpx.HTTPError:
        return None
    return answer.json() if answer.status_code == 200 and answer.content else None


def ready() -> list[str]:
    return [name for name in MODELS if ask(f"/v2/models/{name}", 8000)]


def test_what_locust_sends_is_answered_and_prometheus_counts_it(services):
    until(lambda: ready() == MODELS, LONG)
    until(lambda: ask("/stats/requests", 8089), LONG)
    started = httpx.post("http://127.0.0.1:8089/swarm", data={"user_count": 5, "spawn_rate": 5})
    assert started.json()["success"], started.text

    until(lambda: ask("/stats/requests", 8089)["total_rps"] > 0, LONG)
    asked = "/api/v1/query?query=sum(underway_requests_total{outcome='OK'})%20>%200"
    counted = until(lambda: (found := ask(asked, 9090)) and found["data"]["result"], LONG)
    stats = ask("/stats/requests", 8089)

    assert {entry["name"] for entry in stats["stats"]} >= set(MODELS)
    assert stats["errors"] == []
    assert float(counted[0]["value"][1]) > 0
    assert ask("/api/v1/rules", 9090)["data"]["groups"]
