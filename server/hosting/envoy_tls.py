"""TLS of Envoy's ports: what its configuration says of it, and how it is told of a renewal.

Envoy reads the certificate's files itself, when it starts and whenever something is moved into a
folder that it watches. The gateway does that, once it has found a renewal good. The fields are
those of Envoy's v3 API (`extensions.transport_sockets.tls.v3`).
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path

from server.tls.certificates import HANDSHAKE_TIMEOUT
from server.tls.files import TlsFiles

JsonObject = Mapping[str, object]

_TYPE = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3."
_SIGN = "renewed"
_OWN, _CLIENTS = "own", "clients"


def secrets_folder(door: Path) -> Path:
    """The folder that Envoy watches, beside the gateway's socket at `door`."""
    return door.parent / "tls"


def write_secrets(folder: Path, files: TlsFiles) -> None:
    """Make `folder`, which says where the certificate lies: paths, and nothing that is secret."""
    folder.mkdir(mode=0o700)
    for name, secret in _secrets(folder, files).items():
        resource = {"@type": _TYPE + "Secret", "name": name, **secret}
        _file(folder, name).write_text(json.dumps({"resources": [resource]}))


def asks_clients(folder: Path) -> bool:
    """Whether `folder` also tells of authorities of clients."""
    return _file(folder, _CLIENTS).exists()


def tell_of_renewal(folder: Path) -> None:
    """Have every Envoy that watches `folder` read the files anew."""
    aside = folder / f".{_SIGN}"
    aside.touch()
    aside.replace(folder / _SIGN)


def clear_secrets(folder: Path) -> None:
    """Take the folder away, if it is there."""
    shutil.rmtree(folder, ignore_errors=True)


def speaking_tls(folder: Path, *, ask_clients: bool) -> JsonObject:
    """The part of a filter chain that has it speak TLS with what `folder` tells of."""
    common: dict[str, object] = {
        "tls_params": {"tls_minimum_protocol_version": "TLSv1_2"},
        "alpn_protocols": ["h2", "http/1.1"],
        "tls_certificate_sds_secret_configs": [_named(folder, _OWN)],
    }
    if ask_clients:
        common["validation_context_sds_secret_config"] = _named(folder, _CLIENTS)
    context = {
        "@type": _TYPE + "DownstreamTlsContext",
        "common_tls_context": common,
        "require_client_certificate": ask_clients,
        # A client that was let in once is looked at again by a renewed authority.
        "disable_stateless_session_resumption": ask_clients,
        "disable_stateful_session_resumption": ask_clients,
    }
    return {
        "transport_socket": {"name": "envoy.transport_sockets.tls", "typed_config": context},
        "transport_socket_connect_timeout": f"{HANDSHAKE_TIMEOUT:g}s",
    }


def _secrets(folder: Path, files: TlsFiles) -> Mapping[str, JsonObject]:
    """By name, as each has a file of its own."""
    watched = {"path": str(folder)}
    found: dict[str, JsonObject] = {
        _OWN: {
            "tls_certificate": {
                "certificate_chain": {"filename": files.certificate},
                "private_key": {"filename": files.key},
                "watched_directory": watched,
            }
        }
    }
    if files.client_ca:
        trusted = {"filename": files.client_ca}
        found[_CLIENTS] = {
            "validation_context": {"trusted_ca": trusted, "watched_directory": watched}
        }
    return found


def _file(folder: Path, name: str) -> Path:
    return folder / f"{name}.json"


def _named(folder: Path, name: str) -> JsonObject:
    source = {
        "path_config_source": {"path": str(_file(folder, name))},
        "resource_api_version": "V3",
    }
    return {"name": name, "sds_config": source}
