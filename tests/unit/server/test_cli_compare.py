"""`underway compare` becomes the comparison, or says what is missing."""

from __future__ import annotations

import sys

import pytest
from click.testing import CliRunner

from server import cli_compare
from server.cli import main


class Became(Exception):
    """What the process would have become."""


@pytest.fixture
def executed(monkeypatch):
    seen: list[list[str]] = []

    def execv(program: str, arguments: list[str]) -> None:
        seen.append([program, *arguments])
        raise Became

    monkeypatch.setattr(cli_compare.os, "execv", execv)
    return seen


@pytest.mark.parametrize("arguments", [["spec.yaml", "--out", "x"], ["--help"], ["-h"], []])
def test_all_arguments_are_handed_on(executed, arguments):
    CliRunner().invoke(main, ["compare", *arguments])

    program = sys.executable
    assert executed == [[program, program, "-m", "loadtests.compare", *arguments]]


def test_what_is_missing_is_said_with_the_extra_to_install(executed, monkeypatch):
    monkeypatch.setattr(cli_compare, "find_spec", lambda name: None if name == "scipy" else name)

    result = CliRunner().invoke(main, ["compare", "spec.yaml"])

    assert result.exit_code == 1
    assert "(scipy): pip install 'underway[server,loadtests]'" in result.output
    assert executed == []
