"""Envoy's configuration for one frontend: two ports, one application, bounds for clients.

The fields are those of Envoy's v3 API (`config.bootstrap.v3.Bootstrap` and what it holds).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from server.hosting.envoy_tls import JsonObject, speaking_tls

STAT_PREFIX = "clients"
"""Under this name Envoy counts what clients do."""

HEAD_KIB = 64
HEAD_TIMEOUT = "20s"
IDLE_TIMEOUT = "75s"
"""As on the door without Envoy: the most a head may have and take, and how long a connection
without requests stays.
"""

_MORE = "%[89ABab][0-9A-Fa-f]"
PATHS = "|".join(
    (
        "[^%]",
        "%[0-7][0-9A-Fa-f]",
        f"%(?:[Cc][2-9A-Fa-f]|[Dd][0-9A-Fa-f]){_MORE}",
        f"%[Ee](?:0%[ABab][0-9A-Fa-f]|[Dd]%[89][0-9A-Fa-f]|[1-9A-CEFa-cef]{_MORE}){_MORE}",
        f"%[Ff](?:0%[9ABab][0-9A-Fa-f]|[1-3]{_MORE}|4%8[0-9A-Fa-f]){_MORE}{_MORE}",
    )
)
"""One character of a path. What is no UTF-8 behind its percent signs pyvoy cannot decode: it would
never be answered. (RFC 3629, section 4.)
"""

NO_PATH = "the request has no path, or one that is not UTF-8 in percent-encoding"

JITTER_PERCENT = 10.0
"""By how much the age of connections is more or less; as gRPC's own."""

_STREAMS_PER_CONNECTION = 1024
_STREAM_WINDOW = 2**20
_CONNECTION_WINDOW = 16 * 2**20
_TYPES = "type.googleapis.com/envoy."


@dataclass(frozen=True, slots=True)
class Listening:
    """Where to listen, and for how many seconds to keep a connection, a tenth more or less; 0 is
    for ever. `host` is a numerical address. With `secrets`, as `envoy_tls` writes them, TLS is
    spoken there, and clients are asked for a certificate where `ask_clients` says so.
    """

    host: str
    http_port: int
    grpc_port: int
    max_connection_age: float = 0.0
    secrets: Path | None = None
    ask_clients: bool = False


def bootstrap(
    at: Listening, admin: Path, application: Sequence[JsonObject], max_connections: int
) -> JsonObject:
    """All of it; `application` are the HTTP filters that answer."""
    return {
        # Asked for where a certificate is told of in a file, and used for nothing.
        "node": {"id": "underway", "cluster": "underway"},
        # Only this user can reach it: the folder is private.
        "admin": {"address": {"pipe": {"path": str(admin), "mode": 0o600}}},
        "static_resources": {"listeners": [_listener(at, application)]},
        "overload_manager": {
            "resource_monitors": [
                {
                    "name": "envoy.resource_monitors.global_downstream_max_connections",
                    "typed_config": {
                        "@type": _TYPES + "extensions.resource_monitors."
                        "downstream_connections.v3.DownstreamConnectionsConfig",
                        "max_active_downstream_connections": max_connections,
                    },
                }
            ]
        },
    }


def _listener(at: Listening, application: Sequence[JsonObject]) -> JsonObject:
    # One listener with two addresses: two would each load the application.
    return {
        "name": "clients",
        "address": _address(at.host, at.http_port),
        "additional_addresses": [{"address": _address(at.host, at.grpc_port)}],
        "enable_reuse_port": True,
        "filter_chains": [
            {
                "filters": [
                    {
                        "name": "envoy.filters.network.http_connection_manager",
                        "typed_config": _connections(application, at.max_connection_age),
                    }
                ],
                **(speaking_tls(at.secrets, ask_clients=at.ask_clients) if at.secrets else {}),
            }
        ],
    }


def _address(host: str, port: int) -> JsonObject:
    return {"socket_address": {"address": host, "port_value": port}}


def _connections(application: Sequence[JsonObject], max_age: float) -> JsonObject:
    return {
        "@type": _TYPES
        + "extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": STAT_PREFIX,
        "route_config": {"virtual_hosts": [{"name": "all", "domains": ["*"]}]},
        "http_filters": [_only_paths(), *application],
        "generate_request_id": False,
        "server_header_transformation": "PASS_THROUGH",
        # No header from outside is believed about who asks.
        "use_remote_address": True,
        "skip_xff_append": True,
        "max_request_headers_kb": HEAD_KIB,
        "request_headers_timeout": HEAD_TIMEOUT,
        # A stream may be idle for as long as its client likes, and a model may take its time.
        "stream_idle_timeout": "0s",
        "common_http_protocol_options": {"idle_timeout": IDLE_TIMEOUT, **_age(max_age)},
        # Not under the hands of a client: its next answer says that it was the last.
        "http1_safe_max_connection_duration": True,
        "http_protocol_options": {
            "accept_http_10": True,
            "default_host_for_http_10": "localhost",
        },
        "http2_protocol_options": {
            "max_concurrent_streams": _STREAMS_PER_CONNECTION,
            "initial_stream_window_size": _STREAM_WINDOW,
            "initial_connection_window_size": _CONNECTION_WINDOW,
            # Notice clients that vanished.
            "connection_keepalive": {"interval": "60s", "timeout": "20s"},
        },
        "local_reply_config": {
            # What Envoy refuses by itself it refuses in the one shape of all errors.
            "body_format": {"json_format": {"error": "%LOCAL_REPLY_BODY%"}},
            # Nothing else is forbidden here.
            "mappers": [
                {
                    "filter": _status_is(403),
                    "status_code": 400,
                    "body": {"inline_string": NO_PATH},
                }
            ],
        },
    }


def _only_paths() -> JsonObject:
    """An HTTP filter that refuses paths which the application cannot be given."""
    path = {"path": {"safe_regex": {"regex": f"(?:{PATHS})*"}}}
    policy = {"permissions": [{"not_rule": {"url_path": path}}], "principals": [{"any": True}]}
    return {
        "name": "envoy.filters.http.rbac",
        "typed_config": {
            "@type": _TYPES + "extensions.filters.http.rbac.v3.RBAC",
            "rules": {"action": "DENY", "policies": {"paths": policy}},
        },
    }


def _status_is(code: int) -> JsonObject:
    value = {"default_value": code, "runtime_key": "unused"}
    return {"status_code_filter": {"comparison": {"op": "EQ", "value": value}}}


def _age(seconds: float) -> JsonObject:
    """Envoy says GOAWAY or Connection: close at that age; requests under way finish."""
    if not seconds:
        return {}
    return {
        "max_connection_duration": f"{seconds:.3f}s",
        "max_connection_duration_jitter": {"value": JITTER_PERCENT},
    }
