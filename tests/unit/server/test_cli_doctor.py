"""`underway doctor` takes the settings of `serve` and tells by its exit code what it found."""

from __future__ import annotations

import json
import socket

import pytest
from click.testing import CliRunner

from server.cli import main
from tests.harness.echo_repository import add_echo

FREE = ("--http-port", "0", "--grpc-port", "0", "--metrics-port", "0", "--quiet-period", "0")


@pytest.fixture
def root(tmp_path):
    add_echo(tmp_path, "m")
    return tmp_path


def run(*arguments: str):
    return CliRunner().invoke(main, ["doctor", *FREE, *arguments])


def found(*arguments: str) -> dict[str, dict]:
    document = json.loads(run("--json", *arguments).stdout)
    return {finding["name"]: finding for finding in document["findings"]}


def test_a_server_that_would_serve_is_told_what(root):
    done = run("--model-repository", str(root))

    assert done.exit_code == 0, done.output
    assert "✓ m: serves version 1 (echo)" in done.stdout
    assert "0 problems" in done.stdout or "all is well" in done.stdout


def test_warnings_count_only_when_strict(root):
    root.chmod(0o777)

    assert run("--model-repository", str(root)).exit_code == 0
    assert run("--model-repository", str(root), "--strict").exit_code == 1


def test_a_taken_port_and_an_absent_model_are_problems(root):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = str(other.getsockname()[1])
        arguments = ("--model-repository", str(root), "--http-port", port, "--required-model", "x")

        assert run(*arguments).exit_code == 2
        findings = found(*arguments)

    assert findings["http-port"]["grade"] == "problem"
    assert findings["x"]["grade"] == "problem"
    assert findings["m"]["grade"] == "ok"


def test_settings_that_cannot_work_are_a_problem_beside_the_machine(tmp_path):
    findings = found("--model-repository", str(tmp_path / "absent"))

    assert "is not a folder" in findings["settings"]["text"]
    assert "open-files" in findings


def test_an_interpreter_that_is_not_there_is_a_problem_of_the_models_that_need_it(root):
    (root / "digits/1").mkdir(parents=True)
    (root / "digits/1/model.onnx").write_bytes(b"weights")

    findings = found("--model-repository", str(root), "--runtime-python", "onnx=/absent/python")

    assert findings["onnx"]["grade"] == "problem"
    assert "needed by digits" in findings["onnx"]["text"]


def test_the_settings_come_from_the_same_file(root):
    (root / "underway.yaml").write_text(f"model_repository: {root}\nrequired_model: y\n")

    assert found("--config", str(root / "underway.yaml"))["y"]["grade"] == "problem"


def test_a_model_config_is_looked_at_too(root, tmp_path_factory):
    base = tmp_path_factory.mktemp("base")
    (base / "1").mkdir()

    beside = ("--model-repository", str(root))

    alone = found(*beside, "--model-base-path", str(base), "--model-name", "alone")
    absent = found(*beside, "--model-config-file", str(root / "no"))

    assert alone["alone"]["text"] == "nothing of it would be served"
    assert absent["model-config"]["grade"] == "problem"
    assert alone["m"]["grade"] == absent["m"]["grade"] == "ok"
