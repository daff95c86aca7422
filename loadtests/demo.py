"""The demo models, which measurements use too."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from loadtests.generator.process import ROOT


def build_demo(demo: Path) -> None:
    """Build the demo models where they lack. Raises RuntimeError with what was printed."""
    done = subprocess.run(
        [sys.executable, "-m", "server.demo", str(demo)],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode != 0:
        raise RuntimeError(f"the demo models could not be built: {done.stdout}{done.stderr}")
