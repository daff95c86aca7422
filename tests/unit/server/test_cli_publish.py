"""`underway publish` on the command line."""

import signal

import pytest
from click.testing import CliRunner

from server.cli_publish import publish


@pytest.fixture
def paths(tmp_path):
    (tmp_path / "net.onnx").write_bytes(b"graph")
    (tmp_path / "models").mkdir()
    return str(tmp_path / "net.onnx"), str(tmp_path / "models" / "m")


def test_it_says_which_version_it_published(paths):
    result = CliRunner().invoke(publish, paths)
    assert (result.exit_code, result.stdout) == (0, "published version 1 of m\n")
    result = CliRunner().invoke(publish, [*paths, "--version", "5"])
    assert result.stdout == "published version 5 of m\n"


def test_a_refusal_is_one_line_and_a_status(paths):
    CliRunner().invoke(publish, paths)
    result = CliRunner().invoke(publish, [*paths, "--version", "1"])
    assert result.exit_code == 1
    assert result.stderr == (
        "Error: version 1 of m is there already, and a published version never changes\n"
    )


@pytest.mark.parametrize("version", ["0", "latest"])
def test_a_version_that_is_no_number_is_a_usage_error(paths, version):
    assert CliRunner().invoke(publish, [*paths, "--version", version]).exit_code == 2


def test_signals_are_as_before_afterwards(paths):
    before = signal.getsignal(signal.SIGTERM)
    CliRunner().invoke(publish, paths)
    assert signal.getsignal(signal.SIGTERM) is before
