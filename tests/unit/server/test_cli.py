"""The command line: what it prints, what it refuses, and which of several settings counts."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

import server.cli
from server.config import ModelControl, Settings
from server.repository.store_url import StoreUrl

NO_ENVIRONMENT = {
    f"UNDERWAY_{name.upper()}": None for name in (*server.cli.SERVE_SETTINGS, "url", "admin_url")
}


@pytest.fixture
def repository(tmp_path) -> Path:
    folder = tmp_path / "models"
    folder.mkdir()
    return folder


@pytest.fixture
def captured(monkeypatch) -> list[Settings]:
    """The settings a server would have been started with."""
    started: list[Settings] = []
    monkeypatch.setattr(server.cli, "_run", lambda settings, *_rest: started.append(settings))
    return started


def underway(*arguments: object, env: dict[str, str] | None = None) -> Result:
    return CliRunner().invoke(
        server.cli.main,
        [str(item) for item in arguments],
        env={**NO_ENVIRONMENT, **(env or {})},
        prog_name="underway",
    )


def test_metrics_and_timings_are_set_by_flag_variable_and_file(repository, captured, tmp_path):
    file = tmp_path / "underway.yaml"
    file.write_text("metrics_compat: tf_serving\nserver_timing: false\n")
    at = ("serve", "--model-repository", repository)

    underway(*at, "--metrics-compat", "triton", "--metrics-compat", "triton")
    underway(*at, env={"UNDERWAY_METRICS_COMPAT": "triton tf_serving",
                       "UNDERWAY_SERVER_TIMING": "0"})  # fmt: skip
    underway(*at, "--config", file)

    assert [(one.metrics_compat, one.server_timing) for one in captured] == [
        (("triton",), True), (("triton", "tf_serving"), False), (("tf_serving",), False),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ((), ["serve", "demo", "models", "publish", "--version"]),
        (("serve",), ["--model-repository", "--config", "UNDERWAY_HTTP_PORT", "default: 8000"]),
        (("demo",), ["DIRECTORY", "--serve"]),
        (("models",), ["--url", "--json", "UNDERWAY_URL", "UNDERWAY_ADMIN_URL", "rollback"]),
        (("publish",), ["ARTIFACT", "REPOSITORY/MODEL", "--version"]),
    ],
)
@pytest.mark.parametrize("flag", ["--help", "-h"])
def test_every_command_explains_itself(command, words, flag):
    done = underway(*command, flag)

    assert done.exit_code == 0
    assert all(word in done.output for word in words)


def test_the_version_is_told():
    done = underway("--version")

    assert done.exit_code == 0
    assert done.output.startswith("underway, version ")


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--http-port", "70000"], "http-port: 70000 is no port"),
        (["--http-port", "eight"], "'eight' is not a valid integer"),
        (["--http-port", "8001"], "must differ"),
        (["--runtime-python", "tvm=/usr/bin/python3"], "runtimes.tvm: no such runtime"),
        (["--runtime-python", "onnx"], "runtime-python: expected NAME=PATH, got 'onnx'"),
        (["--runtime-python", "onnx="], "runtime-python: expected NAME=PATH, got 'onnx='"),
        (["--log-level", "loud"], "'loud' is not one of 'debug', 'info', 'warning', 'error'"),
        (["--log-format", "xml"], "'xml' is not one of 'auto', 'json', 'text'"),
        (["--load-timeout", "nan"], "load-timeout: expected a number above 0"),
        (["--model-control", "sometimes"], "'sometimes' is not one of 'none', 'poll', 'explicit'"),
        (["--load-model", "a"], "load-model: only with --model-control explicit"),
        (["--quiet-period", "-1"], "quiet-period: expected 0 or more seconds"),
        (["--poll-interval", "0"], "poll-interval: expected a number above 0"),
        (["--load-retries", "-1"], "load-retries: expected 0 or more"),
        (["--silence-timeout", "inf"], "silence-timeout: expected a number above 0"),
        (["--model-repository", "/there/is/none"], "'/there/is/none' is not a folder"),
        (["--config", "/there/is/none.yaml"], "does not exist"),
        (["--no-such-flag"], "No such option"),
    ],
)
def test_a_wrong_flag_is_refused_with_the_reason(repository, captured, arguments, reason):
    done = underway("serve", "--model-repository", repository, *arguments)

    assert done.exit_code == 2
    assert reason in done.output
    assert captured == []


def test_a_missing_repository_is_refused_and_says_how_to_get_one(captured):
    done = underway("serve")

    assert done.exit_code == 2
    assert "model-repository: expected at least one folder, or --model-config-file" in done.output
    assert "try `underway demo DIR`" in done.output
    assert captured == []


def test_an_unknown_key_in_the_config_file_is_refused_with_a_suggestion(
    repository, captured, tmp_path
):
    config = tmp_path / "underway.yaml"
    config.write_text("htpp_port: 9\n")

    done = underway("serve", "--model-repository", repository, "--config", config)

    assert done.exit_code == 2
    assert "config: 'htpp_port' is no setting; did you mean http_port?" in done.output
    assert captured == []


@pytest.mark.parametrize(
    ("flag", "variable", "in_file", "port"),
    [
        (None, None, None, 8000),
        (None, None, 1003, 1003),
        (None, "1002", 1003, 1002),
        (None, "1002", None, 1002),
        ("1001", "1002", 1003, 1001),
        ("1001", None, 1003, 1001),
    ],
)
def test_the_command_line_beats_the_environment_beats_the_file_beats_the_default(
    repository, captured, tmp_path, flag, variable, in_file, port
):
    config = tmp_path / "underway.yaml"
    config.write_text(f"model_repository: {repository}\n")
    if in_file is not None:
        config.write_text(f"model_repository: {repository}\nhttp_port: {in_file}\n")
    flags = ["--http-port", flag] if flag else []
    env = {"UNDERWAY_HTTP_PORT": variable} if variable else {}

    done = underway("serve", "--config", config, *flags, env=env)

    assert done.exit_code == 0, done.output
    assert captured[0].http_port == port
    assert captured[0].model_repositories == (repository,)


def test_repositories_may_be_object_stores_also_in_a_list_of_the_environment(repository, captured):
    env = {"UNDERWAY_MODEL_REPOSITORY": f"{repository}:s3://bucket/prod:gs://box"}

    assert underway("serve", "--model-cache", "here", env=env).exit_code == 0

    assert [str(one) for one in captured[0].model_repositories] == [
        str(repository), "s3://bucket/prod", "gs://box",
    ]  # fmt: skip
    assert captured[0].model_cache_folder == Path("here")


def test_base_paths_and_folders_for_calls_may_be_in_object_stores(captured, tmp_path):
    env = {"UNDERWAY_RELOAD_FOLDER": f"{tmp_path}:s3://bucket/prod"}

    assert underway("serve", "--model-base-path", "s3://bucket/prod/a/", env=env).exit_code == 0

    assert captured[0].model_base_path == StoreUrl("s3", "bucket", "prod/a")
    assert captured[0].reload_folders == (tmp_path, StoreUrl("s3", "bucket", "prod"))


@pytest.mark.parametrize("setting", ["model-base-path", "reload-folder"])
def test_a_base_path_that_is_no_stores_is_refused_by_its_setting(setting):
    done = underway("serve", f"--{setting}", "ftp://host/x")
    assert done.exit_code == 2
    assert f"{setting}: 'ftp://' is no known store" in done.output


def test_a_url_that_is_no_stores_is_refused():
    done = underway("serve", "--model-repository", "ftp://host/x")
    assert done.exit_code == 2
    assert "model-repository: 'ftp://' is no known store; expected a folder or s3://" in done.output


@pytest.mark.parametrize("name", ["ACCESS_FILE", "TLS_CERTIFICATE", "TLS_CLIENT_CA"])
def test_an_empty_variable_does_not_leave_open_what_was_meant_to_be_shut(
    repository, captured, name
):
    done = underway("serve", "--model-repository", repository, env={f"UNDERWAY_{name}": ""})
    assert (done.exit_code, captured) == (2, [])
    assert f"UNDERWAY_{name} is set and empty" in done.output


def test_an_empty_path_in_the_config_file_is_refused(repository, captured, tmp_path):
    config = tmp_path / "underway.yaml"
    config.write_text("access_file: ''")
    done = underway("serve", "--model-repository", repository, "--config", config)
    assert (done.exit_code, captured) == (2, [])
    assert "access_file: expected a path" in done.output


def test_the_config_file_may_be_named_by_the_environment(repository, captured, tmp_path):
    config = tmp_path / "underway.yaml"
    config.write_text(f"model_repository: {repository}\nhost: 0.0.0.0\n")

    underway("serve", env={"UNDERWAY_CONFIG": str(config)})

    assert captured[0].host == "0.0.0.0"


def test_several_repositories_and_interpreters_are_given_by_repeating_the_flag(captured, tmp_path):
    first, second = tmp_path / "a", tmp_path / "b"
    first.mkdir()
    second.mkdir()

    underway(
        "serve", "--model-repository", first, "--model-repository", second,
        "--runtime-python", "onnx=/x/python", "--runtime-python", "savedmodel=/y/python=3",
    )  # fmt: skip

    assert captured[0].model_repositories == (first, second)
    assert captured[0].runtime_pythons == {"onnx": "/x/python", "savedmodel": "/y/python=3"}


def test_a_model_config_is_given_like_every_other_setting(captured, tmp_path):
    config = tmp_path / "underway.yaml"
    config.write_text("model_config_file: in-the-file\nenable_batching: true\n")
    flags = ["--reload-folder", tmp_path, "--reload-folder", "/"]

    underway("serve", "--config", config, *flags, "--allow-labels-of-unavailable-versions")
    underway("serve", env={"UNDERWAY_MODEL_BASE_PATH": "/b", "UNDERWAY_MODEL_NAME": "b"})

    first, second = captured
    assert (first.model_config_file, first.enable_batching) == (Path("in-the-file"), True)
    assert first.reload_folders == (tmp_path, Path("/"))
    assert first.allow_labels_of_unavailable_versions
    assert (second.model_base_path, second.model_name) == (Path("/b"), "b")
    assert not second.enable_batching


def test_several_repositories_and_interpreters_are_given_by_one_variable(captured, tmp_path):
    first, second = tmp_path / "a", tmp_path / "b"
    first.mkdir()
    second.mkdir()

    underway(
        "serve",
        env={
            "UNDERWAY_MODEL_REPOSITORY": f"{first}:{second}",
            "UNDERWAY_RUNTIME_PYTHON": "onnx=/x/python savedmodel=/y/python",
        },
    )

    assert captured[0].model_repositories == (first, second)
    assert captured[0].runtime_pythons == {"onnx": "/x/python", "savedmodel": "/y/python"}


def test_the_repository_is_followed_unless_told_otherwise(repository, captured):
    underway("serve", "--model-repository", repository)

    assert captured[0].model_control is ModelControl.POLL
    assert captured[0].load_models == ()


@pytest.mark.parametrize("by", ["flags", "environment", "file"])
def test_models_to_load_at_the_start_are_named_in_each_way(repository, captured, tmp_path, by):
    flags, env = [], {}
    if by == "flags":
        flags = ["--model-control", "explicit", "--load-model", "a", "--load-model", "b"]
    elif by == "environment":
        env = {"UNDERWAY_MODEL_CONTROL": "explicit", "UNDERWAY_LOAD_MODEL": "a b"}
    else:
        config = tmp_path / "underway.yaml"
        config.write_text("model_control: explicit\nload_model: [a, b]\n")
        flags = ["--config", str(config)]

    done = underway("serve", "--model-repository", repository, *flags, env=env)

    assert done.exit_code == 0, done.output
    assert captured[0].model_control is ModelControl.EXPLICIT
    assert captured[0].load_models == ("a", "b")


def test_how_loads_and_workers_are_watched_is_set_by_flags(repository, captured):
    underway(
        "serve", "--model-repository", repository, "--poll-interval", "9", "--quiet-period", "0",
        "--load-retries", "0", "--load-retry-delay", "1.5", "--silence-timeout", "20",
        "--busy-timeout", "60",
    )  # fmt: skip

    settings = captured[0]
    assert (settings.poll_interval, settings.quiet_period) == (9, 0)
    assert (settings.load_retries, settings.load_retry_delay) == (0, 1.5)
    assert (settings.silence_timeout, settings.busy_timeout) == (20, 60)


def test_every_setting_of_serve_is_a_flag_with_an_environment_variable():
    options = {option.name: option for option in server.cli.serve.params}

    assert {*server.cli.SERVE_SETTINGS, "config"} == options.keys()
    for name, option in options.items():
        assert option.envvar == f"UNDERWAY_{name.upper()}"


# ---- tracing -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("variables", "wanted"),
    [
        ({}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4317"}, True),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://127.0.0.1:4317"}, True),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://x", "OTEL_SDK_DISABLED": "true"}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://x", "OTEL_TRACES_EXPORTER": "none"}, False),
    ],
)
def test_traces_are_sent_where_the_standard_variables_say_so(
    repository, captured, variables, wanted
):
    underway("serve", "--model-repository", repository, env=variables)
    (settings,) = captured
    assert settings.tracing is wanted


def test_tracing_without_opentelemetry_says_what_to_install(repository, captured, monkeypatch):
    monkeypatch.setattr(server.cli, "can_trace", lambda: False)
    done = underway(
        "serve", "--model-repository", repository,
        env={"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4317"},
    )  # fmt: skip
    assert done.exit_code == 2
    assert "pip install 'underway[tracing]'" in done.output
