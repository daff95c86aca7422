"""Wrong values are refused: by the schema where one is wrong alone, else by the templates."""

from __future__ import annotations

import pytest

from tests.deploy.chart import HelmError


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"replicas": 2}, "replicas"),
        ({"controller": {"kind": "DaemonSet"}}, "controller/kind"),
        ({"controller": {"replicas": -1}}, "controller/replicas"),
        ({"server": {"drainTimout": 5}}, "drainTimout"),
        ({"server": {"drainTimeout": "30s"}}, "server/drainTimeout"),
        ({"server": {"drainTimeout": 0}}, "server/drainTimeout"),
        ({"server": {"frontends": 33}}, "server/frontends"),
        ({"server": {"host": "127.0.0.1"}}, "host"),
        ({"server": {"logFormat": "xml"}}, "server/logFormat"),
        ({"server": {"requiredModel": "a"}}, "server/requiredModel"),
        ({"ports": {"http": 80}}, "ports/http"),
        ({"image": {"digest": "latest"}}, "image/digest"),
        ({"image": {"pullPolicy": "never"}}, "image/pullPolicy"),
        ({"modelRepository": {"source": "s3"}}, "modelRepository/source"),
        ({"modelRepository": {"objectStore": {"url": "http://a/b"}}}, "objectStore/url"),
        ({"modelRepository": {"objectStore": {"url": "s3://key:secret@a"}}}, "objectStore/url"),
        ({"modelRepository": {"objectStore": {"cacheGiB": "10Gi"}}}, "objectStore/cacheGiB"),
        ({"modelRepository": {"subPath": "../secret"}}, "modelRepository/subPath"),
        ({"modelRepository": {"mountPath": "models"}}, "modelRepository/mountPath"),
        ({"resources": {"limits": {"memory": "4 GB"}}}, "resources/limits/memory"),
        ({"gpu": {"count": 0.5}}, "gpu/count"),
        ({"gpu": {"resourceName": "gpu"}}, "gpu/resourceName"),
        ({"autoscaling": {"kind": "vpa"}}, "autoscaling/kind"),
        ({"autoscaling": {"inFlightRatio": 70}}, "autoscaling/inFlightRatio"),
        ({"ingress": {"hosts": ["http://a"]}}, "ingress/hosts/0"),
        ({"service": {"type": "ExternalName"}}, "service/type"),
        ({"metrics": {"interval": "15"}}, "metrics/interval"),
        ({"extraEnv": [{"value": "a"}]}, "extraEnv/0"),
        ({"podDisruptionBudget": {"maxUnavailable": 0}}, "podDisruptionBudget/maxUnavailable"),
        ({"probes": {"liveness": {"path": "/"}}}, "path"),
        ({"tls": {"enabled": True}}, "tls"),
        ({"tls": {"secretName": "My Secret"}}, "tls/secretName"),
        ({"tls": {"clientCa": {"key": "../ca.crt"}}}, "tls/clientCa/key"),
        ({"server": {"tlsKey": "/x"}}, "tlsKey"),
        ({"auth": {"key": "../access.yaml"}}, "auth/key"),
        ({"auth": {"testToken": {"name": "a"}}}, "auth/testToken"),
        ({"server": {"accessFile": "/access.yaml"}}, "accessFile"),
    ],
)
def test_the_schema_refuses_wrong_values_and_names_them(helm, values, words):
    with pytest.raises(HelmError) as refused:
        helm.render(values)

    assert "values don't meet the specifications of the schema" in str(refused.value)
    assert words in str(refused.value)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (
            {"termination": {"gracePeriodSeconds": 59}},
            "gracePeriodSeconds is 59, but sleeping, draining and stopping take up to 60 s",
        ),
        ({"controller": {"progressDeadlineSeconds": 600}}, "a pod may take 610 s to start"),
        ({"ports": {"http": 9000, "grpc": 9000}}, "must differ"),
        ({"modelRepository": {"source": "init"}}, "modelRepository.init.image"),
        ({"modelRepository": {"source": "volume"}}, "modelRepository.volume"),
        ({"controller": {"kind": "StatefulSet"}}, "set modelRepository.source to"),
        ({"modelRepository": {"source": "objectStore"}}, "modelRepository.objectStore.url"),
        (
            {
                "modelRepository": {"source": "objectStore", "objectStore": {"url": "s3://a"}},
                "server": {"modelCacheBytes": 2**30},
            },
            "modelRepository.objectStore.cacheGiB says both",
        ),
        (
            {"metrics": {"serviceMonitor": {"enabled": True}, "podMonitor": {"enabled": True}}},
            "scrape every pod twice",
        ),
        (
            {
                "metrics": {"serviceMonitor": {"enabled": True}},
                "service": {"headless": {"enabled": False}},
            },
            "service.headless.enabled",
        ),
        (
            {"autoscaling": {"kind": "hpa", "minReplicas": 5, "maxReplicas": 4}},
            "minReplicas is above autoscaling.maxReplicas",
        ),
        ({"autoscaling": {"kind": "keda"}}, "prometheusAddress"),
        ({"auth": {"testToken": {"name": "a", "key": "b"}}}, "auth.secretName: expected"),
        ({"ingress": {"enabled": True}}, "ingress.hosts"),
        ({"gatewayApi": {"enabled": True}}, "gatewayApi.parentRefs"),
        ({"certificate": {"enabled": True}}, "certificate.enabled needs"),
        ({"tls": {"clientCa": {"secretName": "a"}}}, "only with tls.secretName"),
        ({"tls": {"certificate": {"enabled": True}}}, "tls.certificate.enabled needs tls.secret"),
        (
            {"tls": {"secretName": "a", "clientCa": {"secretName": "b"}}},
            "tls.test.secretName: expected a Secret with a client's certificate",
        ),
        (
            {"server": {"modelControl": "explicit"}, "autoscaling": {"kind": "hpa"}},
            "a load call would reach one of them only",
        ),
        (
            {"server": {"modelControl": "explicit"}, "controller": {"replicas": 2}},
            "a load call would reach one of them only",
        ),
    ],
)
def test_values_that_contradict_each_other_are_refused_with_what_to_do(helm, values, words):
    with pytest.raises(HelmError) as refused:
        helm.render(values)

    assert words in str(refused.value)
