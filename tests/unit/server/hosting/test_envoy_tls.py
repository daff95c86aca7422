"""What Envoy is told of TLS: where the certificate lies, and when to read it anew."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from server.hosting.envoy_config import Listening, bootstrap
from server.hosting.envoy_tls import (
    asks_clients,
    clear_secrets,
    secrets_folder,
    tell_of_renewal,
    write_secrets,
)
from server.tls.files import TlsFiles

FILES = TlsFiles("/secret/tls.crt", "/secret/tls.key", "/secret/ca.crt")


def chain(at: Listening) -> dict:
    config = bootstrap(at, Path("/x/admin.sock"), [{"name": "application"}], 1000)
    (listener,) = config["static_resources"]["listeners"]
    (found,) = listener["filter_chains"]
    return found


@pytest.mark.parametrize("ask_clients", [False, True])
def test_the_ports_speak_tls_1_2_or_newer_and_both_protocols(tmp_path, ask_clients):
    found = chain(Listening("::1", 1, 2, secrets=tmp_path, ask_clients=ask_clients))

    context = found["transport_socket"]["typed_config"]
    common = context["common_tls_context"]
    assert common["tls_params"] == {"tls_minimum_protocol_version": "TLSv1_2"}
    assert common["alpn_protocols"] == ["h2", "http/1.1"]
    assert context["require_client_certificate"] is ask_clients
    assert ("validation_context_sds_secret_config" in common) is ask_clients
    # Else who was let in once would be let in without being asked again.
    assert context["disable_stateless_session_resumption"] is ask_clients
    assert found["transport_socket_connect_timeout"] == "10s"


def test_without_a_certificate_nothing_of_it_is_said():
    assert chain(Listening("::1", 1, 2)).keys() == {"filters"}


def test_the_files_are_named_and_nothing_of_them_is_copied(tmp_path):
    folder = secrets_folder(tmp_path / "gateway.sock")
    write_secrets(folder, FILES)

    assert folder.stat().st_mode & 0o777 == 0o700
    (own,) = json.loads((folder / "own.json").read_text())["resources"]
    assert own["tls_certificate"] == {
        "certificate_chain": {"filename": "/secret/tls.crt"},
        "private_key": {"filename": "/secret/tls.key"},
        "watched_directory": {"path": str(folder)},
    }
    (clients,) = json.loads((folder / "clients.json").read_text())["resources"]
    assert clients["validation_context"]["trusted_ca"] == {"filename": "/secret/ca.crt"}
    assert asks_clients(folder)


def test_without_authorities_of_clients_there_is_one_secret(tmp_path):
    write_secrets(tmp_path / "tls", TlsFiles("/c", "/k"))

    assert [path.name for path in (tmp_path / "tls").iterdir()] == ["own.json"]
    assert not asks_clients(tmp_path / "tls")


def test_a_renewal_is_something_moved_into_the_folder(tmp_path):
    folder = tmp_path / "tls"
    write_secrets(folder, FILES)
    before = sorted(folder.iterdir())

    for _ in range(2):
        tell_of_renewal(folder)

    assert [path for path in sorted(folder.iterdir()) if path not in before] == [folder / "renewed"]
    clear_secrets(folder)
    assert not folder.exists()
    clear_secrets(folder)
