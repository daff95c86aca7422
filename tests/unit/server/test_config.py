"""Settings that cannot work are refused by name; a config file is read strictly."""

from __future__ import annotations

from pathlib import Path

import pytest

from server.cli import SERVE_SETTINGS
from server.config import (
    MAX_CONFIG_BYTES,
    MIB,
    ConfigError,
    ModelControl,
    Settings,
    read_config_file,
)
from server.repository.names import NAME_RULE


@pytest.fixture
def write(tmp_path):
    def write(text: str | bytes) -> Path:
        path = tmp_path / "underway.yaml"
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        return path

    return write


def read(path: Path) -> dict[str, object]:
    return read_config_file(path, SERVE_SETTINGS)


# ---- Settings -----------------------------------------------------------------------------------


def test_the_defaults_are_those_the_documentation_promises(tmp_path):
    settings = Settings((tmp_path,))

    assert settings.host == "127.0.0.1"
    assert (settings.http_port, settings.grpc_port, settings.metrics_port) == (8000, 8001, 8002)
    assert settings.max_message_bytes == 64 * MIB
    assert settings.runtime_pythons == {}
    assert (settings.model_control, settings.load_models) == (ModelControl.POLL, ())
    assert (settings.poll_interval, settings.quiet_period) == (2, 2)
    assert (settings.load_retries, settings.load_retry_delay) == (5, 5)
    assert (settings.silence_timeout, settings.busy_timeout) == (10, 300)


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ({"host": ""}, "host: expected an address; 0.0.0.0 for all"),
        ({"http_port": -1}, "http-port: -1 is no port; expected 0 (any free) to 65535"),
        ({"grpc_port": 65536}, "grpc-port: 65536 is no port; expected 0 (any free) to 65535"),
        ({"metrics_port": 99999}, "metrics-port: 99999 is no port; expected 0 (any free) to 65535"),
        (
            {"http_port": 9, "grpc_port": 9},
            "http-port, grpc-port and metrics-port must differ, got [9, 9, 8002]",
        ),
        ({"max_message_bytes": 1023}, "max-message-bytes: expected 1024 or more"),
        (
            {"max_message_bytes": 2**31},
            "max-message-bytes: expected less than 2 GiB, gRPC's own limit",
        ),
        ({"max_in_flight": 0}, "max-in-flight: expected a number above 0"),
        ({"max_in_flight_rows": 0}, "max-in-flight-rows: expected a number above 0"),
        ({"max_model_in_flight_bytes": -1}, "max-model-in-flight-bytes: expected a number above 0"),
        ({"frontends": -1}, "frontends: expected 1 to 32, or 0 to go by the number of CPUs"),
        ({"frontends": 33}, "frontends: expected 1 to 32, or 0 to go by the number of CPUs"),
        ({"load_timeout": 0.0}, "load-timeout: expected a number above 0"),
        ({"load_timeout": float("nan")}, "load-timeout: expected a number above 0"),
        ({"drain_timeout": float("inf")}, "drain-timeout: expected a number above 0"),
        ({"drain_delay": -1.0}, "drain-delay: expected 0 or more seconds"),
        ({"max_connection_age": float("nan")}, "max-connection-age: expected 0 or more seconds"),
        (
            {"required_models": ("a/b",)},
            f"required-model: 'a/b' is no model's name; expected {NAME_RULE}",
        ),
        ({"poll_interval": 0.0}, "poll-interval: expected a number above 0"),
        ({"load_retry_delay": -1.0}, "load-retry-delay: expected a number above 0"),
        ({"silence_timeout": 0.0}, "silence-timeout: expected a number above 0"),
        ({"busy_timeout": float("nan")}, "busy-timeout: expected a number above 0"),
        ({"quiet_period": -0.1}, "quiet-period: expected 0 or more seconds"),
        ({"quiet_period": float("inf")}, "quiet-period: expected 0 or more seconds"),
        ({"load_retries": -1}, "load-retries: expected 0 or more"),
        ({"load_models": ("a",)}, "load-model: only with --model-control explicit"),
        (
            {"load_models": ("*",), "model_control": ModelControl.NONE},
            "load-model: only with --model-control explicit",
        ),
        (
            {"tls_certificate": Path("/c")},
            "tls-key: expected with --tls-certificate, a file with its key",
        ),
        (
            {"tls_key": Path("/k")},
            "tls-certificate: expected with --tls-key, a file with the chain",
        ),
        (
            {"tls_client_ca": Path("/a")},
            "tls-client-ca: only with --tls-certificate and --tls-key",
        ),
        (
            {"runtime_pythons": {"tvm": "/x"}},
            "runtimes.tvm: no such runtime; expected one of torchscript, savedmodel, onnx, echo",
        ),
    ],
)
def test_a_setting_that_cannot_work_is_refused_by_name(tmp_path, wrong, reason):
    with pytest.raises(ConfigError) as refusal:
        Settings((tmp_path,), **wrong)

    assert str(refusal.value) == reason


def test_a_repository_is_needed_and_must_be_a_folder(tmp_path):
    file = tmp_path / "file"
    file.touch()

    with pytest.raises(ConfigError, match="model-repository: expected at least one folder"):
        Settings(())
    with pytest.raises(ConfigError, match=r"model-repository: '.*/file' is not a folder"):
        Settings((tmp_path, file))


def test_there_may_be_no_quiet_period_and_no_retries(tmp_path):
    settings = Settings((tmp_path,), quiet_period=0.0, load_retries=0)

    assert (settings.quiet_period, settings.load_retries) == (0, 0)


def test_models_to_load_may_be_named_under_explicit_control(tmp_path):
    settings = Settings((tmp_path,), model_control=ModelControl.EXPLICIT, load_models=("a", "*"))

    assert settings.load_models == ("a", "*")


def test_any_free_port_may_be_asked_for_more_than_once(tmp_path):
    assert Settings((tmp_path,), http_port=0, grpc_port=0, metrics_port=0).http_port == 0


# ---- the file -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "settings"),
    [
        ("", {}),
        ("# nothing yet\n", {}),
        ("http-port: 9\n", {"http_port": 9}),
        ("http_port: 9\nlog_level: debug\n", {"http_port": 9, "log_level": "debug"}),
        ("load_timeout: 60\ndrain_timeout: 1.5\n", {"load_timeout": 60, "drain_timeout": 1.5}),
        ("model_repository: models\n", {"model_repository": ["models"]}),
        ("model_repository: [a, b]\n", {"model_repository": ["a", "b"]}),
        (
            "runtimes: {onnx: {python: /x}, savedmodel: {python: /y}}\n",
            {"runtime_python": ["onnx=/x", "savedmodel=/y"]},
        ),
        ("runtime_python: onnx=/x\n", {"runtime_python": ["onnx=/x"]}),
        (
            "model-control: none\npoll-interval: 60\n",
            {"model_control": "none", "poll_interval": 60},
        ),
        ("load_model: [a, b]\n", {"load_model": ["a", "b"]}),
        ("load_model: a\n", {"load_model": ["a"]}),
        ("server_timing: false\n", {"server_timing": False}),
        ("metrics_compat: triton\n", {"metrics_compat": ["triton"]}),
    ],
)
def test_a_file_gives_settings_by_their_flags_names(write, text, settings):
    assert read(write(text)) == settings


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("model_repositry: x\n", "config: 'model_repositry' is no setting; did you mean model_rep"),
        ("config: x\n", "config: 'config' is no setting"),
        ("1: 2\n", "config: '1' is no setting"),
        ("- a\n", "must hold `setting: value` lines"),
        ("http_port: abc\n", "config: http_port: expected a whole number"),
        ("http_port: 9.7\n", "config: http_port: expected a whole number"),
        ("http_port: true\n", "config: http_port: expected a whole number"),
        ("http_port:\n", "config: http_port: expected a whole number"),
        ("load_timeout: soon\n", "config: load_timeout: expected a number"),
        ("host: [a]\n", "config: host: expected a text"),
        ("model_repository: {a: b}\n", "config: model_repository: expected a text or a list"),
        ("model_repository: []\n", "config: model_repository: expected a text or a list"),
        ("model_repository: [1]\n", "config: model_repository: expected a text or a list"),
        ("http_port: 1\nhttp-port: 2\n", "config: 'http_port' is given twice"),
        ("http_port: 1\nhttp_port: 2\n", "key 'http_port' is given twice"),
        (
            "model_control: sometimes\n",
            "config: model_control: expected one of none, poll, explicit",
        ),
        ("server_timing: 1\n", "config: server_timing: expected true or false"),
        (
            "metrics_compat: nagios\n",
            "metrics_compat: expected one or a list of triton, tf_serving",
        ),
        ("metrics_compat: [triton, {}]\n", "metrics_compat: expected one or a list of"),
        ("model_control: 1\n", "config: model_control: expected"),
        ("load_model: 3\n", "config: load_model: expected a text or a list"),
        ("load_retries: 1.5\n", "config: load_retries: expected a whole number"),
        ("quiet_period: long\n", "config: quiet_period: expected a number"),
        ("runtimes: onnx\n", "config: runtimes: expected `runtimes: {NAME: {python: PATH}}`"),
        ("runtimes: {onnx: {pyton: /x}}\n", "config: runtimes.onnx: expected `python: PATH`"),
        ("runtimes: {onnx: {python: 3}}\n", "config: runtimes.onnx.python: expected a path"),
        ("host: [\n", "is not valid YAML: line 2"),
        ("host: &a x\n", "anchors and aliases are not allowed"),
        ("host: 2026-02-31\n", "is not valid YAML: a value cannot be read"),
        (b"host: \xff\n", "cannot be read"),
        ("#" * (MAX_CONFIG_BYTES + 1), f"config: the file is over {MAX_CONFIG_BYTES} bytes"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_what_is_wrong_in_a_file_is_refused_and_named(write, text, reason):
    with pytest.raises(ConfigError) as refusal:
        read(write(text))

    assert reason in str(refusal.value)


def test_a_file_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="cannot be read"):
        read(tmp_path / "none.yaml")


# ---- models named one by one ---------------------------------------------------------------------


def test_a_model_config_stands_in_for_a_repository(tmp_path):
    assert not Settings((tmp_path,)).has_model_config
    assert Settings((), model_config_file=tmp_path / "models.config").has_model_config
    assert Settings((), model_base_path=tmp_path).has_model_config


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ({}, "model-repository: expected at least one folder, or --model-config-file"),
        (
            {"model_config_file": Path("m"), "model_base_path": Path("b")},
            "model-base-path: not together with --model-config-file",
        ),
        (
            {"model_config_file": Path("m"), "model_name": "a"},
            "model-name: only with --model-base-path",
        ),
        (
            {"model_config_file": Path("m"), "model_control": ModelControl.EXPLICIT},
            "model-control: not explicit with a model config",
        ),
        (
            {"model_config_file": Path("m"), "reload_folders": (Path("/no/such/folder"),)},
            "reload-folder: '/no/such/folder' is not a folder",
        ),
        (
            {"model_base_path": Path("m"), "batching_parameters_file": Path("b")},
            "batching-parameters-file: only with --enable-batching",
        ),
    ],
)
def test_a_model_config_that_cannot_work_is_refused(wrong, reason):
    with pytest.raises(ConfigError) as error:
        Settings((), **wrong)

    assert reason in str(error.value)


def test_folders_for_reloads_need_something_that_can_be_reloaded(tmp_path):
    with pytest.raises(ConfigError, match="reload-folder: only with --model-config-file"):
        Settings((tmp_path,), reload_folders=(tmp_path,))


def test_a_config_file_may_name_the_model_config(write):
    text = "model_config_file: models.config\nenable_batching: true\nreload_folder: [/a, /b]"

    assert read(write(text)) == {
        "model_config_file": "models.config", "enable_batching": True,
        "reload_folder": ["/a", "/b"],
    }  # fmt: skip


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("model_config_file: 7", "model_config_file: expected a text"),
        ("enable_batching: 1", "enable_batching: expected true or false"),
    ],
)
def test_a_config_file_gives_them_in_their_own_kind(write, text, reason):
    with pytest.raises(ConfigError, match=reason):
        read(write(text))
