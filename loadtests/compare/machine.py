"""The machine it was measured on, how busy it was with other things, and the versions at work."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import sys
from pathlib import Path

import psutil

PACKAGES = ("underway", "torch", "tensorflow", "onnxruntime", "onnxruntime-gpu", "numpy", "grpcio",
            "uvicorn", "uvloop")  # fmt: skip


def machine() -> dict[str, str]:
    """What to know of the machine; `load` is the mean of runnable processes of the last minute."""
    found = {
        "processor": _processor() or platform.processor() or platform.machine(),
        "CPUs": f"{len(os.sched_getaffinity(0))} of {os.cpu_count()} usable",
        "memory": f"{psutil.virtual_memory().total / 1e9:.1f} GB",
        "system": f"{platform.system()} {platform.release()}",
        "load at the start": f"{os.getloadavg()[0]:.1f}",
    }
    gpus = _gpus()
    return {**found, "GPUs": ", ".join(gpus)} if gpus else found


def versions() -> dict[str, str]:
    """Of Python and of the packages that serve, as far as they are here."""
    found = {"Python": sys.version.split()[0]}
    for package in PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def busy(load: float, cpus: int) -> str:
    """A warning where the machine had other work before anything was measured; else nothing."""
    if load <= 0.5 * cpus:
        return ""
    return (
        f"The machine was busy before the comparison began (load {load:.1f} on {cpus} CPUs): "
        "figures are worse, and intervals wider, than on a quiet one."
    )


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        return ""
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else ""


def _gpus() -> list[str]:
    from loadtests.compare.gpu import nvml

    library = nvml()
    if library is None:
        return []
    handles = [
        library.nvmlDeviceGetHandleByIndex(index) for index in range(library.nvmlDeviceGetCount())
    ]
    names = [library.nvmlDeviceGetName(handle) for handle in handles]
    return [name.decode() if isinstance(name, bytes) else str(name) for name in names]
