"""A comparison that cannot be made says why, and leaves nothing behind."""

from __future__ import annotations

import contextlib
import json
import signal
from pathlib import Path

import msgspec
import pytest

from tests.e2e.test_compare import BROKEN_OFF, started
from tests.harness.children import ended
from tests.harness.echo_repository import add_echo

pytestmark = pytest.mark.slow


def said(folder: Path, spec: dict, *arguments: str) -> str:
    running = started(folder, spec, *arguments)
    output, log = ended(running, 100)
    assert running.returncode == 1, output
    assert "Traceback" not in log
    return log


def test_other_terms_are_refused_before_anything_is_measured(tmp_path):
    add_echo(tmp_path, "echo")
    other = {"name": "b", "model": "echo", "settings": {"batching": {}}}

    log = said(tmp_path, {"candidates": [{"name": "a", "model": "echo"}, other]})

    assert "batching: off (a); {} (b)" in log
    assert "allow_differences: [batching]" in log
    assert not (tmp_path / "out").exists()


def test_a_model_that_does_not_load_is_said_with_its_reason(tmp_path):
    add_echo(tmp_path, "echo", options={"fail_load": "no such thing"})

    assert "no such thing" in said(tmp_path, {"candidates": [{"name": "a", "model": "echo"}]})


def test_a_folder_without_a_version_is_said(tmp_path):
    log = said(tmp_path, {"candidates": [{"name": "a", "model": "nothing"}]})

    assert "nothing has no version" in log


def test_an_older_result_that_is_none_is_refused(tmp_path):
    (tmp_path / "old.json").write_text(json.dumps({"title": 3}))

    log = said(tmp_path, {"candidates": [{"name": "a", "model": "m"}]},
               "--against", str(tmp_path / "old.json"))  # fmt: skip

    assert "no result.json of a comparison" in log


def test_an_interrupt_before_anything_is_measured_leaves_no_server(tmp_path):
    add_echo(tmp_path, "echo", options={"load_ms": 60_000})
    running = started(tmp_path, {"candidates": [{"name": "a", "model": "echo"}]})
    with contextlib.suppress(StopIteration):
        next(line for line in running.stderr if "starting the servers" in line)

    running.send_signal(signal.SIGTERM)
    _, log = ended(running, 100)

    assert running.returncode == BROKEN_OFF
    assert "Broken off before anything was measured" in log
    assert msgspec.json.encode(sorted(tmp_path.glob("out/*"))) == b"[]"
