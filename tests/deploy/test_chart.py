"""The chart: what Helm and the schemas say, and what its objects tell Kubernetes."""

from __future__ import annotations

import json
import shutil
import urllib.request

import pytest

import server.cli
from tests.deploy.chart import (
    CHART,
    EXAMPLES,
    VERSIONS,
    documents,
    of_kind,
    only,
    values_of,
)
from tests.deploy.command_line import run
from tests.harness.onnx_models import save_scaling

DEFAULTS: dict[str, object] = {}
CASES = [pytest.param(DEFAULTS, id="defaults")]
CASES += [pytest.param(values_of(example), id=example.stem) for example in EXAMPLES]
# What no example has, so that every line of every template is rendered.
CASES += [
    pytest.param(values, id=name)
    for name, values in {
        "everything-else": {
            "fullnameOverride": "models",
            "image": {"digest": "sha256:" + "0" * 64, "command": ["tini", "--", "underway"]},
            "imagePullSecrets": [{"name": "registry"}],
            "modelRepository": {
                "source": "volume",
                "volume": {"nfs": {"server": "files.example.org", "path": "/models"}},
            },
            "server": {"modelControl": "none", "enableBatching": True, "maxMessageBytes": 2**30},
            "termination": {"preStopSleepSeconds": 5, "gracePeriodSeconds": 300},
            "controller": {"progressDeadlineSeconds": 1000},
            "service": {"type": "LoadBalancer", "annotations": {"a": "b"}},
            "serviceAccount": {"create": False, "name": "mine", "annotations": {}},
            "extraArgs": ["--log-level", "debug"],
            "extraEnv": [{"name": "A", "value": "b"}],
            "extraEnvFrom": [{"configMapRef": {"name": "c"}}],
            "extraVolumes": [{"name": "v", "emptyDir": {}}],
            "extraVolumeMounts": [{"name": "v", "mountPath": "/v"}],
            "initContainers": [{"name": "i", "image": "i:1"}],
            "sidecars": [{"name": "s", "image": "s:1"}],
            "tolerations": [{"key": "a", "operator": "Exists"}],
            "affinity": {"podAntiAffinity": {}},
            "podLabels": {"team": "search"},
            "podAnnotations": {"a": "b"},
            "autoscaling": {
                "kind": "keda",
                "keda": {
                    "prometheusAddress": "http://prometheus:9090",
                    "authenticationRef": {"name": "prometheus"},
                },
            },
        },
        "a-copy-of-a-store-for-each-pod": {
            "controller": {"kind": "StatefulSet"},
            "modelRepository": {"source": "objectStore", "objectStore": {"url": "gs://a/b"}},
        },
        "tls-for-clients-with-certificates": {
            "tls": {
                "secretName": "own",
                "clientCa": {"secretName": "clients", "key": "authorities.pem"},
                "certificate": {"enabled": True, "issuerRef": {"name": "internal"}},
                "test": {"secretName": "tester"},
            },
            "metrics": {"podMonitor": {"enabled": True}},
        },
        "tls-of-an-authority-that-all-trust": {
            "tls": {"secretName": "own", "caKey": ""},
            "service": {"headless": {"enabled": False}},
            "metrics": {"podMonitor": {"enabled": True}},
        },
        "image-and-nothing-more": {
            "modelRepository": {"source": "image"},
            "networkPolicy": {"enabled": False},
            "topologySpread": {"zones": False},
            "service": {"headless": {"enabled": False}},
            "test": {"enabled": False},
        },
    }.items()
]


@pytest.mark.parametrize("values", CASES)
def test_helm_and_kubernetes_have_nothing_to_say_against_it(helm, values):
    complaints = helm.lint(values)
    found = documents(helm.render(values))
    problems = [text for version in VERSIONS for text in helm.problems(found, version)]

    assert complaints == []
    assert problems == []
    assert {"Deployment", "StatefulSet"} & {item["kind"] for item in found}


@pytest.mark.parametrize("values", CASES)
def test_the_server_takes_every_rendered_command_line(helm, values, tmp_path):
    lines = [
        container["args"]
        for pod in pods(helm.render(values))
        for container in pod["containers"]
        if "underway" in container["image"]
    ]

    for name, *arguments in lines:
        # Below the real parent: a command keeps the form of its first --help for good.
        parent = server.cli.main.make_context("underway", [name, *arguments])
        command = server.cli.main.commands[name]
        with command.make_context(name, arguments, parent=parent) as context:
            if name == "serve":  # and the settings agree with each other
                settings = server.cli._settings(
                    {**context.params, "model_repository": (str(tmp_path),)}
                )
                assert settings.host == "0.0.0.0"
    assert [line[0] for line in lines][:1] == ["serve"]


@pytest.mark.parametrize("values", CASES)
def test_every_pod_meets_the_restricted_standard(helm, values):
    for pod in pods(helm.render(values)):
        extra = {
            item["name"] for key in ("sidecars", "initContainers") for item in values.get(key, [])
        }
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert pod["automountServiceAccountToken"] is False
        assert not any(pod.get(key) for key in ("hostNetwork", "hostPID", "hostIPC"))
        for container in (*pod["containers"], *pod.get("initContainers", [])):
            if container["name"] in extra:
                continue
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }


def pods(objects):
    """The specs of all pods, the one of `helm test` last."""
    controllers = [*of_kind(objects, "Deployment"), *of_kind(objects, "StatefulSet")]
    templates = [item["spec"]["template"]["spec"] for item in controllers]
    return templates + [item["spec"] for item in of_kind(objects, "Pod")]


def main_pod(helm, **values):
    return pods(helm.render(values))[0]


def test_an_object_of_a_kind_without_a_schema_is_not_passed_over(helm):
    unknown = {"apiVersion": "example.org/v1", "kind": "Odd", "metadata": {"name": "x"}}

    assert helm.problems([unknown]) == ["Odd x: there is no schema of its kind"]


@pytest.mark.parametrize(
    ("example", "kind", "path", "value", "words"),
    [
        ("many-replicas", "ScaledObject", ("spec", "minReplicas"), 1, ".spec.minReplicas: no such"),
        ("many-replicas", "ScaledObject", ("spec", "maxReplicaCount"), "x", "valid integer"),
        (
            "many-replicas",
            "PodMonitor",
            ("spec", "endpoints"),
            [],
            ".spec.endpoints: no such field",
        ),
        ("cpu-production", "ServiceMonitor", ("spec", "selektor"), {}, "no such field"),
        ("cpu-production", "Certificate", ("spec", "secret"), "x", "no such field"),
        ("gpu-production", "HTTPRoute", ("spec", "hostname"), "x", "'hostname' was unexpected"),
        ("gpu-production", "GRPCRoute", ("spec", "rules"), [], "should be non-empty"),
        ("gpu-production", "Deployment", ("spec", "replica"), 1, "'replica' was unexpected"),
    ],
)
def test_the_schemas_see_a_wrong_field_in_every_kind(helm, example, kind, path, value, words):
    wrong = only(helm.render(values_of(CHART / f"examples/{example}.yaml")), kind)
    place = wrong
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value

    (problem,) = helm.problems([wrong])

    assert words in problem


# ---- what the objects say ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("server_values", "termination", "expected"),
    [
        ({}, {}, 60),
        ({"drainDelay": 20, "drainTimeout": 90.5}, {}, 131),
        ({"drainDelay": 0}, {"preStopSleepSeconds": 7}, 57),
        ({"drainDelay": None, "drainTimeout": None}, {}, 50),
        ({}, {"gracePeriodSeconds": 60}, 60),
        ({}, {"gracePeriodSeconds": 600}, 600),
    ],
)
def test_the_grace_period_is_what_stopping_takes(helm, server_values, termination, expected):
    pod = main_pod(helm, server=server_values, termination=termination)

    assert pod["terminationGracePeriodSeconds"] == expected


def test_probes_ask_the_port_that_requests_do_not_fill(helm):
    (container,) = main_pod(helm, probes={"startup": {"budgetSeconds": 601}})["containers"]

    assert {
        container[f"{name}Probe"]["httpGet"]["port"]
        for name in ("startup", "readiness", "liveness")
    } == {"metrics"}
    assert container["livenessProbe"]["httpGet"]["path"] == "/v2/health/live"
    assert container["startupProbe"]["failureThreshold"] == 121


def test_a_gpu_is_asked_for_tolerated_and_has_its_image(helm):
    pod = main_pod(helm, gpu={"count": 2, "resourceName": "nvidia.com/mig-3g.40gb"})
    (container,) = pod["containers"]

    assert container["resources"]["requests"]["nvidia.com/mig-3g.40gb"] == 2
    assert container["resources"]["limits"]["nvidia.com/mig-3g.40gb"] == 2
    assert pod["tolerations"] == [
        {"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}
    ]
    assert container["image"].endswith("-gpu")


def test_large_numbers_lists_and_switches_become_flags_as_people_write_them(helm):
    given = {
        "maxInFlightBytes": 2**33, "pollInterval": 0.5, "requiredModel": ["a", "b"],
        "enableBatching": True, "allowLabelsOfUnavailableVersions": False,
    }  # fmt: skip
    args = " ".join(main_pod(helm, server=given)["containers"][0]["args"])

    assert "--max-in-flight-bytes 8589934592 " in args
    assert "--poll-interval 0.5 " in args
    assert "--required-model a --required-model b" in args
    assert "--enable-batching" in args
    assert "--allow-labels" not in args


@pytest.mark.parametrize("kind", ["Deployment", "StatefulSet"])
def test_a_store_is_read_by_the_server_into_a_volume_that_holds_its_cache(helm, kind):
    store = {"url": "s3://models/production", "cacheGiB": 40, "storageClassName": "fast"}
    values = {"source": "objectStore", "objectStore": store}
    objects = helm.render({"controller": {"kind": kind}, "modelRepository": values})
    (pod, _), controller = pods(objects), only(objects, kind)
    (container,) = pod["containers"]
    args = " ".join(container["args"])

    assert "--model-repository s3://models/production --model-cache /models/cache " in args
    assert f"--model-cache-bytes {40 * 2**30 * 19 // 20} " in args
    assert {"name": "models", "mountPath": "/models"} in container["volumeMounts"]  # to be written
    volumes = {item["name"]: item for item in pod["volumes"]}
    if kind == "Deployment":
        assert volumes["models"]["emptyDir"] == {"sizeLimit": "40Gi"}
    else:
        (claim,) = controller["spec"]["volumeClaimTemplates"]
        assert claim["spec"]["resources"]["requests"]["storage"] == "40Gi"
        assert claim["spec"]["storageClassName"] == "fast"


@pytest.mark.parametrize(
    ("values", "there"),
    [
        ({"controller": {"replicas": 1}}, False),
        ({"controller": {"replicas": 2}}, True),
        ({"controller": {"replicas": 1}, "autoscaling": {"kind": "hpa", "minReplicas": 2}}, True),
        ({"controller": {"replicas": 5}, "autoscaling": {"kind": "hpa", "minReplicas": 1}}, False),
        ({"controller": {"replicas": 2}, "podDisruptionBudget": {"enabled": False}}, False),
    ],
)
def test_a_single_pod_has_no_budget_that_would_keep_it_from_moving(helm, values, there):
    assert bool(of_kind(helm.render(values), "PodDisruptionBudget")) is there


def test_an_autoscaler_and_the_deployment_do_not_argue_about_replicas(helm):
    objects = helm.render({"autoscaling": {"kind": "hpa"}})
    metrics = only(objects, "HorizontalPodAutoscaler")["spec"]["metrics"]

    assert "replicas" not in only(objects, "Deployment")["spec"]
    assert [item["pods"]["target"]["averageValue"] for item in metrics] == ["700m", "50m"]


def test_nobody_reaches_the_port_of_operators_unless_named(helm):
    named = [{"namespaceSelector": {"matchLabels": {"team": "ops"}}}]
    closed = only(helm.render({}), "NetworkPolicy")["spec"]["ingress"]
    opened = only(helm.render({"networkPolicy": {"metricsFrom": named}}), "NetworkPolicy")
    metrics = {"port": "metrics", "protocol": "TCP"}

    assert metrics not in [port for rule in closed for port in rule["ports"]]
    assert opened["spec"]["ingress"][1] == {"from": named, "ports": [metrics]}


def test_the_service_of_clients_does_not_offer_that_port(helm):
    services = {item["metadata"]["name"]: item for item in of_kind(helm.render({}), "Service")}
    ports = {
        name: [port["name"] for port in item["spec"]["ports"]] for name, item in services.items()
    }

    assert ports == {
        "demo-underway": ["http", "grpc"],
        "demo-underway-headless": ["http", "grpc", "metrics"],
    }


def test_the_access_file_comes_from_a_secret_that_may_change_and_tokens_from_others(helm):
    objects = helm.render(values_of(CHART / "examples/cpu-production.yaml"))
    pod = only(objects, "Deployment")["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    file = container["args"][container["args"].index("--access-file") + 1]
    (mount,) = [one for one in container["volumeMounts"] if one["name"] == "access"]
    assert file == f"{mount['mountPath']}/access.yaml"
    assert "subPath" not in mount  # or a change would never be seen
    assert mount["readOnly"] is True
    (volume,) = [one for one in pod["volumes"] if one["name"] == "access"]
    assert volume["secret"]["secretName"] == "underway-access"
    assert volume["secret"]["items"] == [{"key": "access.yaml", "path": "access.yaml"}]
    # Read by the server's group, and by nobody else.
    assert (volume["secret"]["defaultMode"], pod["securityContext"]["fsGroup"]) == (0o440, 10001)

    (endpoint,) = only(objects, "ServiceMonitor")["spec"]["endpoints"]
    assert endpoint["authorization"] == {
        "credentials": {"name": "underway-prometheus", "key": "token"}
    }
    (tester,) = only(objects, "Pod")["spec"]["containers"]
    (shown,) = tester["env"]
    assert shown["name"] == "UNDERWAY_TOKEN"
    assert shown["valueFrom"]["secretKeyRef"] == {"name": "underway-test", "key": "token"}


def test_without_a_secret_nobody_is_asked_for_a_token(helm):
    objects = helm.render({"metrics": {"podMonitor": {"enabled": True}}})
    assert "access" not in json.dumps(only(objects, "Deployment")).lower().replace("accessmode", "")
    (endpoint,) = only(objects, "PodMonitor")["spec"]["podMetricsEndpoints"]
    assert "authorization" not in endpoint
    assert "env" not in only(objects, "Pod")["spec"]["containers"][0]


def test_rules_and_dashboards_are_the_files_that_lie_there(helm, tmp_path):
    chart = tmp_path / "underway"
    shutil.copytree(CHART, chart)
    shutil.rmtree(chart / "files", ignore_errors=True)
    alert = {"alert": "A", "expr": "up == 0", "annotations": {"s": "{{ $labels.pod }} is down"}}
    rule = json.dumps({"groups": [{"name": "g", "rules": [alert]}]})
    dashboard = json.dumps({"title": "Overview", "panels": [{"legend": "{{model}}"}]}, indent=2)
    for path, text in {"prometheus/alerts.yaml": rule, "grafana/overview.json": dashboard}.items():
        (chart / "files" / path).parent.mkdir(parents=True, exist_ok=True)
        (chart / "files" / path).write_text(text + "\n")

    objects = helm.render(
        {"metrics": {"prometheusRule": {"enabled": True}, "dashboards": {"enabled": True}}}, chart
    )

    found = only(objects, "PrometheusRule")
    assert helm.problems([found]) == []
    assert found["metadata"]["name"] == "demo-underway-alerts"
    assert found["spec"]["groups"][0]["rules"][0]["annotations"]["s"] == "{{ $labels.pod }} is down"
    kept = only(objects, "ConfigMap")
    assert kept["metadata"]["labels"]["grafana_dashboard"] == "1"
    assert json.loads(kept["data"]["overview.json"]) == json.loads(dashboard)


def test_an_installation_leaves_the_test_to_helm_test_and_says_where_the_server_is(helm):
    objects, notes = helm.install({})

    assert "Pod" not in {item["kind"] for item in objects}
    assert only(helm.render({}), "Pod")["metadata"]["annotations"]["helm.sh/hook"] == "test"
    assert "dns:///demo-underway-headless.ml:8001" in notes
    assert "Whoever reaches it may ask it everything" in notes
    assert "The server is given no certificate" in notes
    _, notes = helm.install({"auth": {"secretName": "underway-access"}})
    assert "Whoever reaches it" not in notes


def test_a_pod_serves_by_its_own_command_line_and_answers_its_probes(helm, tmp_path):
    laptop = values_of(CHART / "examples/laptop.yaml")
    laptop["server"]["logFormat"] = "json"  # which the harness reads
    (container,) = main_pod(helm, **laptop)["containers"]
    save_scaling(tmp_path / "m/1", 2)
    server = run(container["args"], "/models", tmp_path)
    try:
        server.started()
        for name in ("startup", "readiness", "liveness"):
            probe = container[f"{name}Probe"]["httpGet"]
            assert probe["port"] == "metrics"
            url = f"http://127.0.0.1:{server.metrics_port}{probe['path']}"
            with urllib.request.urlopen(url, timeout=30) as answer:
                assert answer.status == 200
    finally:
        assert server.stop() == 0
