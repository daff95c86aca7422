"""The Dockerfile says what the command line, the folders and the project say."""

from __future__ import annotations

import json
import re
import shlex
import tomllib
from fnmatch import fnmatch
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

import server.cli
from server.config import RUNTIMES

ROOT = Path(__file__).parents[3]
TEXT = (ROOT / "deploy/docker/Dockerfile").read_text()
LINES = [
    line
    for line in re.sub(
        r" *\\\n\s*", " ", re.sub(r"^#.*\n", "", TEXT, flags=re.MULTILINE)
    ).splitlines()
    if line
]
IGNORED = (ROOT / ".dockerignore").read_text().splitlines()


def stages() -> dict[str, list[str]]:
    """Instructions by stage, those of the stages that it is FROM first."""
    found: dict[str, list[str]] = {}
    current: list[str] = []
    for line in LINES:
        if match := re.match(r"FROM (\S+)(?: AS (\S+))?", line):
            current = list(found.get(match[1], ()))
            found[match[2] or ""] = current
        else:
            current.append(line)
    return found


STAGES = stages()
SERVERS = {
    "cpu": ["onnx", "torchscript", "savedmodel"],
    "gpu": ["onnx", "torchscript", "savedmodel"],
    "onnx": ["onnx"],
    "torchscript": ["torchscript"],
    "savedmodel": ["savedmodel"],
}


def last(stage: str, instruction: str) -> str:
    """What the last such instruction of the stage says."""
    found = [line for line in STAGES[stage] if line.startswith(f"{instruction} ")]
    return found[-1].removeprefix(f"{instruction} ")


def environment(stage: str) -> dict[str, str]:
    pairs = [
        pair.split("=", 1)
        for line in STAGES[stage]
        if line.startswith("ENV ")
        for pair in shlex.split(line[4:])
    ]
    return dict(pairs)


def test_there_are_the_targets_that_are_documented():
    assert STAGES.keys() >= {*SERVERS, "loadtests", "sbom", "sbom-gpu"}
    assert STAGES[""] == STAGES["cpu"]


@pytest.mark.parametrize("target", [*SERVERS, "loadtests"])
def test_it_runs_as_a_number_that_is_not_root(target):
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", last(target, "USER"))


@pytest.mark.parametrize("target", [*SERVERS, "loadtests"])
def test_nothing_at_run_time_goes_through_a_shell(target):
    entry = json.loads(last(target, "ENTRYPOINT"))

    assert entry[:2] == ["/usr/bin/tini", "--"]
    if target in SERVERS:
        assert json.loads(last(target, "CMD")) == ["serve"]
        json.loads(last(target, "HEALTHCHECK").partition("CMD ")[2])


@pytest.mark.parametrize("target", SERVERS)
def test_its_variables_are_settings_of_serve(target, tmp_path, monkeypatch):
    given = {
        key: value for key, value in environment(target).items() if key.startswith("UNDERWAY_")
    }
    known = {
        option.envvar for option in server.cli.serve.params if isinstance(option, click.Option)
    }
    assert given.keys() <= known
    assert given["UNDERWAY_HOST"] == "0.0.0.0"
    assert given["UNDERWAY_MODEL_REPOSITORY"] == "/models"

    settings = []
    monkeypatch.setattr(server.cli, "_run", settings.append)
    done = CliRunner().invoke(
        server.cli.main, json.loads(last(target, "CMD")),
        env={**given, "UNDERWAY_MODEL_REPOSITORY": str(tmp_path)},
    )  # fmt: skip

    assert done.exit_code == 0, done.output
    (one,) = settings
    assert one.runtime_pythons == {
        runtime: f"/opt/underway/{runtime}/bin/python" for runtime in SERVERS[target]
    }
    assert set(one.runtime_pythons) <= set(RUNTIMES)
    assert last(target, "EXPOSE").split() == [
        str(one.http_port), str(one.grpc_port), str(one.metrics_port),
    ]  # fmt: skip


@pytest.mark.parametrize("target", SERVERS)
def test_the_code_is_the_last_layer_and_each_runtime_has_its_environment(target):
    copied = [line.split() for line in STAGES[target] if line.startswith("COPY ")]

    assert copied[-1][1:] == ["--from=code", "/opt/underway/code", "/opt/underway/code"]
    assert all(words[1].startswith("--from=env-") for words in copied[:-1])
    sources = {words[-1]: words[1] for words in copied}
    suffix = "-gpu" if target == "gpu" else ""
    for runtime in SERVERS[target]:
        assert sources[f"/opt/underway/{runtime}"] == f"--from=env-{runtime}{suffix}"


def test_what_is_copied_is_there_and_goes_to_the_builder():
    copied = [
        path
        for line in LINES
        if line.startswith("COPY ") and "--from" not in line
        for path in line.split()[1:-1]
    ]

    assert copied
    assert [path for path in copied if not (ROOT / path).exists()] == []
    sent = [line[1:] for line in IGNORED if line.startswith("!")]
    assert IGNORED[1] == "*"
    assert [
        path
        for path in copied
        if not any(path == one or path.startswith(f"{one}/") or fnmatch(path, one) for one in sent)
    ] == []


def test_the_label_has_the_projects_version():
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]

    assert f'org.opencontainers.image.version="{version}"' in TEXT
