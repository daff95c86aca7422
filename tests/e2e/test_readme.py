"""The README's examples run as they stand there, and answer what stands below them."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.harness.server_process import ROOT, ServerProcess, run_client

README = (ROOT / "README.md").read_text("utf-8")
FENCED = re.compile(r"^```(\w+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
LOG_LINE = re.compile(r"[\d:]{8} \[(\w+) *\] (.*?)((?: \w+=\S+)+)")


@dataclass(frozen=True)
class Example:
    """A marked block, and the block below it."""

    language: str
    code: str
    output: str


def examples() -> list[Example]:
    found = []
    for part in README.split("<!-- runs -->")[1:]:
        (language, code), (_, output) = FENCED.findall(part)[:2]
        found.append(Example(language, code, output))
    return found


def on(server: ServerProcess, code: str) -> str:
    """`code` with the addresses of `server` for the README's."""
    replaced = code.replace("127.0.0.1:8000", f"127.0.0.1:{server.http_port}")
    return replaced.replace("127.0.0.1:8001", server.grpc_address)


def test_there_is_an_example_for_curl_and_for_python_over_rest_and_grpc():
    starts = [(example.language, example.code.split()[0]) for example in examples()]

    assert ("sh", "curl") in starts
    imported = "".join(example.code for example in examples() if example.language == "python")
    assert "tritonclient.http" in imported
    assert "tritonclient.grpc" in imported


@pytest.mark.parametrize(
    "example",
    [example for example in examples() if example.language == "python"],
    ids=["http", "grpc"],
)
def test_the_python_examples_print_what_the_readme_shows(
    demo_server: ServerProcess, tmp_path: Path, example: Example
):
    program = tmp_path / "example.py"
    program.write_text(on(demo_server, example.code), "utf-8")

    assert run_client(program).split("\n") == example.output.split("\n")


@pytest.mark.parametrize(
    "example",
    [example for example in examples() if example.language == "sh"],
    ids=lambda example: example.code.split("\n")[0][:20],
)
def test_the_shell_examples_print_what_the_readme_shows(
    demo_server: ServerProcess, example: Example
):
    if example.code.startswith("curl") and shutil.which("curl") is None:
        pytest.skip("curl is not installed here")
    done = subprocess.run(
        ["sh", "-c", on(demo_server, example.code)],
        capture_output=True, encoding="utf-8", check=False, timeout=60,
        env={
            **os.environ,
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "UNDERWAY_URL": demo_server.url,
            "PYTHONIOENCODING": "utf-8",
            "COLUMNS": "80",
        },
    )  # fmt: skip

    assert done.returncode == 0, done.stderr
    if example.output.startswith("{"):
        assert_alike(json.loads(done.stdout), json.loads(example.output))
    else:
        assert done.stdout.strip() == example.output.strip()


def assert_alike(found: object, shown: object) -> None:
    """Equal, but for the last digits of what a model trained on another machine computes."""
    if isinstance(shown, float):
        assert found == pytest.approx(shown, abs=0.2)
    elif isinstance(shown, dict):
        assert isinstance(found, dict)
        assert found.keys() == shown.keys()
        for key, value in shown.items():
            assert_alike(found[key], value)
    elif isinstance(shown, list):
        assert isinstance(found, list)
        assert len(found) == len(shown)
        for one, other in zip(found, shown, strict=True):
            assert_alike(one, other)
    else:
        assert found == shown


def test_the_lines_of_the_log_are_those_a_server_writes(demo_server: ServerProcess):
    # Numbers and the device differ from machine to machine.
    varying = {"load_s", "warmup_s", "device", "rest", "grpc", "metrics"}
    block = FENCED.search(README, README.index("<!-- log -->"))
    assert block is not None
    lines = block[2].splitlines()
    assert len(lines) >= 6

    for line in lines:
        shown = LOG_LINE.fullmatch(line)
        assert shown is not None, line
        fields = dict(item.split("=") for item in shown[3].split())
        assert any(
            event["event"] == shown[2]
            and event["level"] == shown[1]
            and fields.keys() <= event.keys()
            and all(str(event[key]) == fields[key] for key in fields.keys() - varying)
            for event in demo_server.events
        ), f"no such line in {demo_server.events}"


def test_the_models_are_found_again_in_the_words_of_the_readme(demo_repository: Path):
    again = subprocess.run(
        [sys.executable, "-m", "server.demo", str(demo_repository)],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    names = again.stdout.strip().rsplit(": ")[-1]

    assert "already" in again.stdout
    assert f"Ready to serve: {names}" in README
