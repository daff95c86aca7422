"""Envoy's configuration says what the documentation promises."""

import re
from pathlib import Path
from urllib.parse import quote, unquote_to_bytes

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.hosting.envoy_config import PATHS, Listening, bootstrap

FILTERS = [{"name": "application"}]


@pytest.fixture
def config():
    return bootstrap(Listening("::1", 8000, 8001), Path("/x/admin.sock"), FILTERS, 1000)


def _connections(config):
    (listener,) = config["static_resources"]["listeners"]
    (chain,) = listener["filter_chains"]
    (manager,) = chain["filters"]
    return manager["typed_config"]


def test_one_listener_has_both_ports_and_loads_the_application_once(config):
    (listener,) = config["static_resources"]["listeners"]
    places = [listener["address"], *(one["address"] for one in listener["additional_addresses"])]
    assert [
        (p["socket_address"]["address"], p["socket_address"]["port_value"]) for p in places
    ] == [
        ("::1", 8000),
        ("::1", 8001),
    ]
    assert listener["enable_reuse_port"]
    assert _connections(config)["http_filters"][-1:] == FILTERS


def test_the_admin_interface_is_a_socket_for_this_user_only(config):
    assert config["admin"]["address"] == {"pipe": {"path": "/x/admin.sock", "mode": 0o600}}


def test_what_clients_may_do_is_bounded(config):
    (monitor,) = config["overload_manager"]["resource_monitors"]
    assert monitor["typed_config"]["max_active_downstream_connections"] == 1000
    connections = _connections(config)
    assert (connections["max_request_headers_kb"], connections["request_headers_timeout"]) == (
        64,
        "20s",
    )
    assert connections["http2_protocol_options"]["max_concurrent_streams"] == 1024


def test_connections_end_at_their_age_and_at_none_where_there_is_none(config):
    at = Listening("::1", 8000, 8001, max_connection_age=2.5)
    aged = _connections(bootstrap(at, Path("/x/admin.sock"), FILTERS, 1000))

    assert aged["common_http_protocol_options"] == {
        "idle_timeout": "75s",
        "max_connection_duration": "2.500s",
        "max_connection_duration_jitter": {"value": 10.0},
    }
    assert aged["http1_safe_max_connection_duration"]
    assert _connections(config)["common_http_protocol_options"] == {"idle_timeout": "75s"}


def test_no_header_is_believed_about_who_asks_and_none_says_what_answers(config):
    connections = _connections(config)
    assert connections["use_remote_address"]
    assert connections["server_header_transformation"] == "PASS_THROUGH"


@given(st.binary(max_size=12))
def test_a_path_is_let_in_where_it_is_utf_8_behind_its_percent_signs(raw):
    for path in (quote(raw), "".join(f"%{byte:02x}" for byte in raw)):
        assert unquote_to_bytes(path) == raw
        assert bool(re.fullmatch(f"(?:{PATHS})*", path)) is _is_text(raw)


@pytest.mark.parametrize(
    "text", ["\x7f\x80\u07ff\u0800\ud7ff\ue000\uffff\U00010000\U0010ffff", "é/日本"]
)
def test_every_character_is_let_in(text):
    assert re.fullmatch(f"(?:{PATHS})*", quote(text))


def _is_text(raw: bytes) -> bool:
    try:
        raw.decode()
    except UnicodeDecodeError:
        return False
    return True
