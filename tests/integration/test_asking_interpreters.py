"""Interpreters are asked what they have for a runtime: real ones, and broken ones."""

from __future__ import annotations

import stat
import sys

import pytest

from server.doctor.finding import Grade
from server.doctor.interpreters import Environment, Need, ask, judge
from tests.harness.server_process import ROOT

ONNX_ALONE = ROOT / ".venvs/onnx/bin/python"


@pytest.fixture
def program(tmp_path):
    def write(text: str) -> str:
        path = tmp_path / "python"
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
        return str(path)

    return write


def test_a_real_interpreter_tells_what_it_has():
    told = ask("onnx", sys.executable)

    assert isinstance(told, Environment)
    assert told.error == ""
    assert (told.framework, told.gpus) == ("onnxruntime", ()) or told.gpus
    assert told.version.count(".") >= 1
    assert told.numpy


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("echo oops >&2; exit 3", "it ended with exit code 3: oops"),
        ("kill -SEGV $$", "it ended with signal 11"),
        ("echo hello", "is it a Python interpreter?"),
        ("exec sleep 60", "it told nothing within 0.2 s"),
    ],
)
def test_a_broken_interpreter_is_told_of(program, text, words):
    timeout = 0.2 if "sleep" in text else 60

    assert words in ask("onnx", program(text), timeout)


def test_an_interpreter_that_is_not_there_is_told_of(tmp_path):
    assert ask("onnx", str(tmp_path / "no")) == "it cannot be started: No such file or directory"


def test_an_environment_without_the_framework_is_a_problem_of_its_models():
    python = str(ONNX_ALONE)

    told = ask("torchscript", python)
    (found,) = judge("torchscript", python, told, Need(("digits",)), driver=False)

    assert isinstance(told, Environment)
    assert told.error == "No module named 'torch'"
    assert found.grade is Grade.PROBLEM
    assert isinstance(ask("onnx", python), Environment)
