"""The environment of each runtime: asks its interpreter in a process of its own, and judges."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from server.doctor.finding import Finding, Grade
from server.workers.zygote import ENTRY, EXTRAS, runtime_environment

AREA = "runtimes"
TIMEOUT = 180.0
"""Seconds in which a framework must have been imported and used; from a cold disk it takes long."""

DRIVER = Path("/dev/nvidiactl")
"""What every user of the driver opens. The kernel's own word for it, in /proc, is also there in a
container that was given no GPU."""


class Gpu(msgspec.Struct, frozen=True):
    """One that the framework sees; `proof` is `passed`, or why it computed nothing right."""

    device: str
    name: str
    proof: str


class Environment(msgspec.Struct, frozen=True):
    """What `runtimes.examine` tells. `error` is why the framework cannot be used, "" where it can.

    `libraries` are the CUDA libraries that were really loaded: paths by file name.
    """

    python: str
    numpy: str = ""
    framework: str = ""
    version: str = ""
    cuda: str = ""
    gpus: tuple[Gpu, ...] = ()
    libraries: dict[str, str] = {}
    error: str = ""


@dataclass(frozen=True, slots=True)
class Need:
    """What the models of one runtime ask for: how many they are, and devices set by hand."""

    models: tuple[str, ...] = ()
    devices: frozenset[str] = field(default_factory=frozenset)


def ask(runtime: str, python: str, timeout: float = TIMEOUT) -> Environment | str:
    """What the interpreter `python` has for `runtime`, or why it does not tell."""
    command = [python, "-P", str(ENTRY), "examine", runtime]
    try:
        done = subprocess.run(
            command, env=runtime_environment(), capture_output=True, timeout=timeout, check=False,
            stdin=subprocess.DEVNULL,
        )  # fmt: skip
    except OSError as error:
        return f"it cannot be started: {error.strerror}"
    except subprocess.TimeoutExpired:
        return f"it told nothing within {timeout:g} s"
    if done.returncode:
        return f"it ended with {_ending(done.returncode)}{_last_line(done.stderr)}"
    try:
        return msgspec.json.decode(done.stdout, type=Environment)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return "it did not tell what it has; is it a Python interpreter?"


def judge(
    runtime: str, python: str, told: Environment | str, need: Need, *, driver: bool
) -> list[Finding]:
    """What `told` means for the models that `need` the runtime; `driver`: whether the machine has
    NVIDIA's.
    """
    if isinstance(told, str) or told.error:
        reason = told if isinstance(told, str) else told.error
        return [_unusable(runtime, python, reason, need)]
    text = f"{told.framework} {told.version}, Python {told.python}, numpy {told.numpy or 'none'}"
    found = [
        Finding(AREA, runtime, Grade.OK, text, details={
            "python": python, "python_version": told.python, "numpy": told.numpy,
            "framework": told.framework, "version": told.version, "cuda": told.cuda,
            "libraries": told.libraries,
        })
    ]  # fmt: skip
    if not told.numpy:
        found.append(
            Finding(AREA, f"{runtime}-numpy", Grade.PROBLEM, "numpy is missing",
                    f"`{python} -m pip install numpy`")
        )  # fmt: skip
    return [*found, *_gpus(runtime, told, need, driver=driver)]


def has_driver() -> bool:
    """Whether NVIDIA's driver is there for this process, in a container as well."""
    return DRIVER.exists()


def default_python() -> str:
    """The interpreter of a runtime for which none is set."""
    return sys.executable


def _unusable(runtime: str, python: str, reason: str, need: Need) -> Finding:
    extra = EXTRAS.get(runtime, runtime)
    details = {"python": python, "models": list(need.models)}
    text = f"cannot be used by {python}: {reason}"
    advice = (
        f"`pip install 'underway[{extra}]'` there, or name an interpreter that has the framework "
        f"with --runtime-python {runtime}=PATH"
    )
    if not need.models:
        return Finding(AREA, runtime, Grade.OK, f"{text}; no model needs it", details=details)
    text = f"{text}; needed by {', '.join(need.models)}"
    return Finding(AREA, runtime, Grade.PROBLEM, text, advice, details)


def _gpus(runtime: str, told: Environment, need: Need, *, driver: bool) -> list[Finding]:
    name = f"{runtime}-gpu"
    if told.gpus:
        return [_proof(name, gpu, told.libraries) for gpu in told.gpus]
    wanted = sorted(device for device in need.devices if device.startswith("cuda"))
    if wanted:
        return [
            Finding(AREA, name, Grade.PROBLEM,
                    f"no GPU, but models ask for {', '.join(wanted)}: {', '.join(need.models)}",
                    _no_gpu(told, driver=driver))
        ]  # fmt: skip
    if driver:
        return [
            Finding(AREA, name, Grade.WARNING, "the machine has a GPU that the framework does not "
                    "see; its models will run on the CPU", _no_gpu(told, driver=driver))
        ]  # fmt: skip
    return [Finding(AREA, name, Grade.OK, "no GPU; models run on the CPU")]


def _proof(name: str, gpu: Gpu, libraries: Mapping[str, str]) -> Finding:
    label = " ".join(filter(None, (gpu.device, gpu.name)))
    details = {"device": gpu.device, "name": gpu.name, "proof": gpu.proof}
    if gpu.proof == "passed":
        text = f"{label} computes, with {_loaded(libraries)}"
        return Finding(AREA, name, Grade.OK, text, details=details)
    advice = (
        f"loaded were {_loaded(libraries)}; the framework's build must fit the driver "
        "(`nvidia-smi` tells it), and no other CUDA libraries may come first (LD_LIBRARY_PATH)"
    )
    text = f"{label} computes nothing: {gpu.proof}"
    return Finding(AREA, name, Grade.PROBLEM, text, advice, details)


def _no_gpu(told: Environment, *, driver: bool) -> str:
    if not driver:
        return (
            "NVIDIA's driver is not there: give the container its GPU (--gpus all, or "
            "nvidia.com/gpu in Kubernetes), or set `device: cpu` in those models' model.yaml"
        )
    if not told.cuda:
        return f"this build of {told.framework} may be for the CPU alone: install one with CUDA"
    return f"it was built for CUDA {told.cuda}: compare `nvidia-smi`, which names what it supports"


def _loaded(libraries: Mapping[str, str]) -> str:
    return ", ".join(libraries) or "no CUDA library"


def _ending(code: int) -> str:
    return f"signal {-code}" if code < 0 else f"exit code {code}"


def _last_line(output: bytes) -> str:
    lines = output.decode("utf-8", "replace").strip().splitlines()
    return f": {lines[-1][:300]}" if lines else ""


def needs_of(models: Sequence[tuple[str, str, Sequence[str]]]) -> dict[str, Need]:
    """By runtime, what models (name, runtime, devices) need of it."""
    needs: dict[str, Need] = {}
    for name, runtime, devices in models:
        before = needs.get(runtime, Need())
        needs[runtime] = Need((*before.models, name), before.devices | set(devices))
    return needs
