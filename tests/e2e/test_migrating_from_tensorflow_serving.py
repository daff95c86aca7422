"""The migration page's commands run as they stand there, one after the other."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.harness.operator import until
from tests.harness.server_process import ROOT, ServerProcess, serving

pytestmark = pytest.mark.slow

PAGE = (ROOT / "docs/migrating-from-tensorflow-serving.md").read_text("utf-8")
BLOCK = re.compile(r"^<!-- (runs|serves|until) -->\n```sh\n(.*?)^```$", re.DOTALL | re.MULTILINE)


@pytest.fixture
def folder(demo_repository: Path, tmp_path: Path) -> Path:
    """Where the commands run; the models they build were built before."""
    (tmp_path / "models").symlink_to(demo_repository)
    return tmp_path


def run(command: str, folder: Path, server: ServerProcess | None) -> subprocess.CompletedProcess:
    if server is not None:
        command = command.replace("127.0.0.1:8501", f"127.0.0.1:{server.http_port}")
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return subprocess.run(
        ["sh", "-ec", command], cwd=folder, capture_output=True, text=True, timeout=100,
        check=False, env={**os.environ, "PATH": path, "PYTHONPATH": str(ROOT), "COLUMNS": "80"},
    )  # fmt: skip


def serve(command: str, folder: Path) -> Iterator[ServerProcess]:
    """The server of the page, on free ports and on this machine alone."""
    words = shlex.split(command)
    assert words[:2] == ["underway", "serve"]
    given = dict(zip(words[2::2], words[3::2], strict=True))
    assert given.keys() == {"--model-config-file", "--grpc-port", "--http-port", "--host"}
    return serving(arguments=("--model-config-file", str(folder / given["--model-config-file"])))


def test_the_commands_of_the_page_do_what_it_says(folder):
    blocks = BLOCK.findall(PAGE)
    assert [kind for kind, _ in blocks] == ["runs", "serves", "runs", "runs", "until"]
    (_, build), (_, start), (_, ask), (_, change), (_, changed) = blocks
    assert run(build, folder, None).returncode == 0

    with serve(start, folder) as server:
        asked = run(ask, folder, server)
        assert asked.returncode == 0, asked.stderr
        assert "digits" in asked.stdout
        assert "READY" in asked.stdout
        assert run(changed, folder, server).returncode != 0

        assert run(change, folder, server).returncode == 0
        until(lambda: run(changed, folder, server).returncode == 0, 60)
