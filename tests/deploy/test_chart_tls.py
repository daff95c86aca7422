"""What the chart says where the server has a certificate of its own."""

from __future__ import annotations

import itertools
import ssl
from pathlib import Path

import httpx
import pytest
import trustme

from tests.deploy.chart import CHART, of_kind, only, values_of
from tests.deploy.command_line import run
from tests.harness.onnx_models import save_scaling
from tests.harness.tls import Secret

TLS = {"secretName": "own", "clientCa": {"secretName": "clients"}, "test": {"secretName": "tester"}}
MOUNTED = "/etc/underway"


def pod_of(objects) -> dict:
    return only(objects, "Deployment")["spec"]["template"]["spec"]


def mounts(pod: dict) -> dict[str, str]:
    """Mount paths by the names of volumes."""
    (container,) = pod["containers"]
    assert not any("subPath" in one for one in container["volumeMounts"])
    return {one["name"]: one["mountPath"] for one in container["volumeMounts"]}


def secrets(pod: dict) -> dict[str, dict]:
    """Volumes of Secrets by name."""
    return {one["name"]: one["secret"] for one in pod["volumes"] if "secret" in one}


def test_the_server_reads_whole_folders_of_secrets_that_only_its_group_may(helm):
    pod = pod_of(helm.render({"tls": TLS}))

    assert secrets(pod)["tls"] == {
        "secretName": "own",
        "defaultMode": 0o440,
        "items": [{"key": "tls.crt", "path": "tls.crt"}, {"key": "tls.key", "path": "tls.key"}],
    }
    assert secrets(pod)["client-ca"]["items"] == [{"key": "ca.crt", "path": "ca.crt"}]
    assert mounts(pod)["tls"] == f"{MOUNTED}/tls"
    arguments = pod["containers"][0]["args"]
    flags = dict(itertools.pairwise(arguments))
    assert flags["--tls-certificate"] == f"{MOUNTED}/tls/tls.crt"
    assert flags["--tls-key"] == f"{MOUNTED}/tls/tls.key"
    assert flags["--tls-client-ca"] == f"{MOUNTED}/client-ca/ca.crt"


@pytest.mark.parametrize(
    ("tls", "scheme", "protocols"),
    [
        ({}, "HTTP", {"http": "http", "grpc": "kubernetes.io/h2c", "metrics": "http"}),
        ({"secretName": "own"}, "HTTPS", dict.fromkeys(("http", "grpc", "metrics"), "https")),
    ],
)
def test_probes_and_services_say_what_the_ports_speak(helm, tls, scheme, protocols):
    objects = helm.render({"tls": tls})
    (container,) = pod_of(objects)["containers"]

    assert {
        container[f"{name}Probe"]["httpGet"]["scheme"]
        for name in ("startup", "readiness", "liveness")
    } == {scheme}
    for service in of_kind(objects, "Service"):
        for port in service["spec"]["ports"]:
            assert port["appProtocol"] == protocols[port["name"]]


@pytest.mark.parametrize("kind", ["serviceMonitor", "podMonitor"])
def test_prometheus_scrapes_over_tls_and_verifies(helm, kind):
    values = {"tls": {"secretName": "own"}, "metrics": {kind: {"enabled": True}}}
    spec = only(helm.render(values), kind[0].upper() + kind[1:])["spec"]
    (endpoint,) = spec.get("endpoints") or spec["podMetricsEndpoints"]

    assert endpoint["scheme"] == "https"
    assert endpoint["tlsConfig"] == {
        "serverName": "demo-underway.ml.svc",
        "ca": {"secret": {"name": "own", "key": "ca.crt"}},
    }


def test_the_certificate_is_for_whatever_clients_in_the_cluster_call_the_services(helm):
    issuer = {"enabled": True, "issuerRef": {"name": "internal"}}
    objects = helm.render({"tls": {"secretName": "own", "certificate": issuer}})
    certificate = only(objects, "Certificate")
    names = certificate["spec"]["dnsNames"]

    assert certificate["metadata"]["name"] == "demo-underway-server"
    assert certificate["spec"]["secretName"] == "own"
    assert certificate["spec"]["issuerRef"] == {
        "group": "cert-manager.io", "kind": "Issuer", "name": "internal",
    }  # fmt: skip
    assert {"demo-underway", "demo-underway.ml.svc", "demo-underway-headless.ml"} <= set(names)
    assert "*.demo-underway-headless.ml.svc" in names
    alone = helm.render(
        {
            "tls": {"secretName": "own", "certificate": issuer},
            "service": {"headless": {"enabled": False}},
        }
    )
    assert not any("headless" in name for name in only(alone, "Certificate")["spec"]["dnsNames"])


def test_it_stands_beside_the_one_of_the_ingress(helm):
    values = values_of(CHART / "examples/cpu-production.yaml")
    values["tls"] = {
        "secretName": "own", "certificate": {"enabled": True, "issuerRef": {"name": "internal"}},
    }  # fmt: skip
    found = {one["spec"]["secretName"] for one in of_kind(helm.render(values), "Certificate")}

    assert found == {"models-tls", "own"}


def test_helm_test_verifies_the_server_and_never_sees_its_key(helm):
    pod = only(helm.render({"tls": TLS}), "Pod")["spec"]
    arguments = pod["containers"][0]["args"]

    assert arguments[2] == "https://demo-underway.ml.svc:8000"
    assert arguments[arguments.index("--ca-file") + 1] == f"{mounts(pod)['ca']}/ca.crt"
    assert secrets(pod)["ca"]["items"] == [{"key": "ca.crt", "path": "ca.crt"}]
    assert secrets(pod)["client"]["secretName"] == "tester"
    plain = only(helm.render({}), "Pod")["spec"]
    assert secrets(plain) == {}
    assert plain["containers"][0]["args"][2] == "http://demo-underway.ml.svc:8000"


def test_the_notes_say_how_to_reach_it(helm):
    _, notes = helm.install({"tls": {"secretName": "own"}})

    assert "https://demo-underway.ml:8000" in notes
    assert "demo-underway.ml:8001 over TLS" in notes
    assert "no certificate" not in notes


def test_a_pod_serves_by_its_own_command_line_and_answers_its_probes_over_tls(helm, tmp_path):
    laptop = values_of(CHART / "examples/laptop.yaml")
    laptop["server"]["logFormat"] = "json"  # which the harness reads
    pod = pod_of(helm.render({**laptop, "tls": {"secretName": "own"}}))
    (container,) = pod["containers"]
    authority, secret = trustme.CA(), Secret(tmp_path / "secret")
    secret.issue(authority)
    models = tmp_path / "models"
    save_scaling(models / "m/1", 2)
    moved = [text.replace(f"{MOUNTED}/tls", str(secret.folder)) for text in container["args"]]
    server = run(moved, "/models", models)
    try:
        server.started()
        for name in ("startup", "readiness", "liveness"):
            probe = container[f"{name}Probe"]["httpGet"]
            url = f"{probe['scheme'].lower()}://127.0.0.1:{server.metrics_port}{probe['path']}"
            # Kubernetes verifies nothing.
            answer = httpx.get(url, verify=ssl._create_unverified_context(), timeout=30)
            assert answer.status_code == 200
    finally:
        assert server.stop() == 0
    assert Path(secret.certificate).is_symlink()
