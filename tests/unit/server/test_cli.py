"""The command line: what it prints, what it refuses, and which of several settings counts."""

from __future__ import annotations

import json
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest
from click.testing import CliRunner, Result

import server.cli
from server.config import Settings

NO_ENVIRONMENT = {f"UNDERWAY_{name.upper()}": None for name in (*server.cli.SERVE_SETTINGS, "url")}


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


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ((), ["serve", "demo", "models", "--version"]),
        (("serve",), ["--model-repository", "--config", "UNDERWAY_HTTP_PORT", "default: 8000"]),
        (("demo",), ["DIRECTORY", "--serve"]),
        (("models",), ["--url", "--json", "UNDERWAY_URL"]),
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
    assert "model-repository: expected at least one folder; try `underway demo DIR`" in done.output
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


def test_every_setting_of_serve_is_a_flag_with_an_environment_variable():
    options = {option.name: option for option in server.cli.serve.params}

    assert {*server.cli.SERVE_SETTINGS, "config"} == options.keys()
    for name, option in options.items():
        assert option.envvar == f"UNDERWAY_{name.upper()}"


# ---- underway models ----------------------------------------------------------------------------


@pytest.fixture
def running_server():
    """A REST server that knows nothing but its index."""
    index = [
        {"name": "good", "version": "1", "state": "READY"},
        {"name": "bad", "state": "UNAVAILABLE", "reason": "no version folder"},
    ]

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            found = self.path == "/v2/repository/index"
            self.send_response(200 if found else 404)
            self.end_headers()
            self.wfile.write(json.dumps(index).encode())

        def log_message(self, *_):
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as http:
        thread = Thread(target=http.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{http.server_port}"
        http.shutdown()
        thread.join()


def test_models_shows_every_model_with_its_state_and_reason(running_server):
    done = underway("models", "--url", running_server)

    assert done.exit_code == 0
    assert "good" in done.output
    assert "READY" in done.output
    assert "no version folder" in done.output


def test_models_prints_the_index_as_json(running_server):
    done = underway("models", "--json", env={"UNDERWAY_URL": f"{running_server}/"})

    assert json.loads(done.output)[1]["reason"] == "no version folder"


@pytest.mark.parametrize("url", ["http://127.0.0.1:1", "http://[::1", "no-url"])
def test_models_says_plainly_that_nobody_answers(url):
    done = underway("models", "--url", url)

    assert done.exit_code == 1
    assert "no Underway server answers at" in done.output
    assert "Traceback" not in done.output
