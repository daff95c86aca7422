"""The pod that the chart renders runs: `podman kube play` starts it, and it answers.

What is changed for podman is in `for_podman`; docs/deploy/kubernetes.md has what podman leaves out.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import yaml

from server.access.rules import digest_of
from tests.deploy.chart import PYTHON, Document, Helm, only
from tests.harness.tokens import TOKENS, showing
from tests.images.engine import (
    ENGINE,
    IMAGE,
    MODELS,
    SERVERS,
    engine,
    free_ports,
    modest,
    over_grpc,
    over_rest,
    takes,
    wait_until_ready,
)

SECRET = "underway-access"
TOOLS = ("podman", "catatonit", "iptables")
"""kube play, the pod's first process, and its network."""

pytestmark = [
    *takes(*SERVERS),
    pytest.mark.skipif(ENGINE[0] != "podman", reason="`kube play` is podman's"),
    pytest.mark.skipif(not all(map(shutil.which, TOOLS)), reason=f"it takes {', '.join(TOOLS)}"),
    pytest.mark.skipif(not PYTHON.exists(), reason="the Helm engine is not installed"),
]


@dataclass(frozen=True, slots=True)
class Pod:
    """The running pod: its Deployment as rendered, its container, its ports on this machine."""

    deployment: Document
    container: str
    http: int
    grpc: int
    metrics: int

    def probe(self, name: str) -> int:
        """The status that a kubelet would get from that probe; 0 where nobody answers."""
        spec = self.deployment["spec"]["template"]["spec"]["containers"][0][name]
        assert spec["httpGet"]["port"] == "metrics"
        url = f"http://127.0.0.1:{self.metrics}{spec['httpGet']['path']}"
        try:
            return httpx.get(url, timeout=spec["timeoutSeconds"]).status_code
        except httpx.HTTPError:
            return 0

    def inspect(self) -> dict[str, Any]:
        return json.loads(engine("container", "inspect", self.container))[0]


def rendered(models: Path, ports: list[int]) -> Document:
    """The chart's Deployment, by its own values alone."""
    repository, _, tag = IMAGE.rpartition(":")
    helm = Helm()
    try:
        objects = helm.render(
            {
                "image": {"repository": repository, "tag": tag, "pullPolicy": "Never"},
                "modelRepository": {
                    "source": "volume",
                    "volume": {"hostPath": {"path": str(models), "type": "Directory"}},
                },
                "ports": dict(zip(("http", "grpc", "metrics"), ports, strict=True)),
                "server": {"drainDelay": 3},
                "auth": {"secretName": SECRET},
                "resources": {
                    "requests": {"cpu": "1", "memory": "2Gi"},
                    "limits": {"cpu": "1", "memory": "2Gi"},
                },
            }
        )
    finally:
        helm.close()
    return only(objects, "Deployment")


def secret() -> Document:
    """Everybody may ask models; the rest takes a token."""
    token = {"name": "ops", "sha256": digest_of(TOKENS["operate"]), "may": ["operate"]}
    access = {"anonymous": ["infer"], "tokens": [token]}
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": SECRET},
        "stringData": {"access.yaml": json.dumps(access)},
    }


def for_podman(deployment: Document) -> Document:
    """The same, reachable from this machine alone, and without what podman would turn into curl."""
    adapted: Document = json.loads(json.dumps(deployment))
    (container,) = adapted["spec"]["template"]["spec"]["containers"]
    for port in container["ports"]:
        port |= {"hostIP": "127.0.0.1", "hostPort": port["containerPort"]}
    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        del container[probe]
    return adapted


@pytest.fixture(scope="module")
def pod(models, tmp_path_factory) -> Iterator[Pod]:
    folder, ports = tmp_path_factory.mktemp("kube"), free_ports()
    manifest = folder / "deployment.yaml"
    deployment = rendered(models, ports)
    manifest.write_text(yaml.safe_dump_all([secret(), for_podman(deployment)]))
    try:
        engine("kube", "play", str(manifest), environment=modest(folder))
        running = Pod(deployment, f"{deployment['metadata']['name']}-pod-0-underway", *ports)
        wait_until_ready(running.container)
        yield running
    finally:
        engine("kube", "down", str(manifest))


@pytest.mark.parametrize("model", MODELS)
def test_the_pod_answers_over_rest_and_grpc(pod, model):
    rest = over_rest(pod.http, model)

    assert np.sum(rest) == pytest.approx(1, abs=1e-4)
    np.testing.assert_allclose(rest, over_grpc(pod.grpc, model), rtol=1e-5)


@pytest.mark.parametrize("probe", ["startupProbe", "readinessProbe", "livenessProbe"])
def test_its_probes_pass_as_a_kubelet_would_ask_them(pod, probe):
    assert pod.probe(probe) == 200


def test_it_runs_with_the_rights_and_limits_of_the_chart(pod):
    found = pod.inspect()
    host = found["HostConfig"]

    assert found["Config"]["User"] == "10001:10001"
    assert host["ReadonlyRootfs"] is True
    assert "no-new-privileges" in host["SecurityOpt"]
    assert not found["EffectiveCaps"]
    assert (host["Memory"], host["NanoCpus"]) == (2 * 2**30, 10**9)
    assert {item["Destination"]: item["RW"] for item in found["Mounts"]} == {
        "/tmp": True, "/models": False, "/etc/underway/access": False,
    }  # fmt: skip


def test_its_secret_says_who_may_do_what(pod):
    overview = f"http://127.0.0.1:{pod.metrics}/v2/admin/overview"
    load = f"http://127.0.0.1:{pod.http}/v2/repository/models/{MODELS[0]}/load"

    assert httpx.get(overview, timeout=30).status_code == 401
    assert httpx.get(overview, headers=showing(TOKENS["operate"]), timeout=30).status_code == 200
    assert httpx.post(load, timeout=30).status_code == 401


def test_told_to_go_it_is_not_ready_serves_on_and_ends_with_zero(pod):
    """The last one: it stops the pod that the others ask."""
    grace = pod.deployment["spec"]["template"]["spec"]["terminationGracePeriodSeconds"]
    stopping = subprocess.Popen(
        [*ENGINE, "stop", "--time", str(grace), pod.container],  # the pod's network stays
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    while pod.probe("readinessProbe") == 200:
        time.sleep(0.1)  # no event is to be had: it is what a kubelet sees

    assert pod.probe("readinessProbe") == 503
    assert over_rest(pod.http, MODELS[0]).size
    assert pod.probe("livenessProbe") == 200
    assert stopping.wait(timeout=120) == 0
    assert pod.inspect()["State"]["ExitCode"] == 0
