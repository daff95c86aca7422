"""What the figures were measured on."""

from __future__ import annotations

import os
import platform
import re
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

PACKAGES = ("uvicorn", "uvloop", "httptools", "grpcio", "onnxruntime", "torch", "tensorflow")


@dataclass(frozen=True, slots=True)
class Machine:
    """`load` is the load average (1 minute) before the run: what else there was to do."""

    cpu: str
    cpus: int
    memory_bytes: int
    kernel: str
    python: str
    versions: dict[str, str]
    load: float


def this_machine() -> Machine:
    """Looked up before the run."""
    versions = {name: found for name in PACKAGES if (found := _installed(name))}
    versions |= {
        "wrk": _said(["wrk", "-v"], r"wrk\D*([0-9.]+)"),
        "h2load": _said(["h2load", "--version"], r"nghttp2/([0-9.]+)"),
    }
    return Machine(
        cpu=_cpu(),
        cpus=len(os.sched_getaffinity(0)),
        memory_bytes=os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        kernel=platform.release(),
        python=platform.python_version(),
        versions={name: text for name, text in versions.items() if text},
        load=os.getloadavg()[0],
    )


def _cpu() -> str:
    found = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    return found[1] if found else platform.machine()


def _installed(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


def _said(command: Sequence[str], pattern: str) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    found = re.search(pattern, done.stdout + done.stderr)
    return found[1] if found else ""
