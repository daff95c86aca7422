"""What tests of several kinds share: the demo models, built once and kept between runs."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.harness.server_process import ROOT, ServerProcess, serving


@pytest.fixture(scope="session")
def demo_repository() -> Path:
    """The demo model repository, the one `make demo` builds; rebuilt when its code changed."""
    folder = ROOT / ".demo/models"
    built = subprocess.run(
        [sys.executable, "-m", "server.demo", str(folder)],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert built.returncode == 0, built.stdout + built.stderr
    return folder


@pytest.fixture(
    scope="module",
    params=[("--frontends", "1"), ("--frontends", "2"), ("--frontend", "envoy")],
    ids=["one-frontend", "two-frontends", "envoy"],
)
def frontends(request) -> tuple[str, str]:
    """Flags: what clients see must not depend on how many frontends there are, nor on what."""
    flags: tuple[str, str] = request.param
    return flags


@pytest.fixture(scope="session")
def demo_server(demo_repository: Path) -> Iterator[ServerProcess]:
    """One server over the demo models for all tests that only ask it things."""
    with serving(demo_repository) as server:
        yield server
