"""The baselines as processes: bare protocol libraries, and frameworks by themselves."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from loadtests.bench.models import Model
from loadtests.bench.requests import Request
from loadtests.generator.process import ROOT

END_S = 10


class BaselineError(Exception):
    """A baseline's process ended early; the text says which and why, as far as it told."""


@dataclass(frozen=True, slots=True)
class Bare:
    """A running echo: its process and where it listens."""

    pid: int
    address: str


@contextmanager
def bare(kind: str) -> Iterator[Bare]:
    """The echo of `kind`, rest or grpc. Raises BaselineError."""
    with _python("loadtests.bench.bare", kind) as process:
        port = _line(process, f"the bare {kind} server")
        yield Bare(process.pid, f"127.0.0.1:{int(port)}")


def bare_request(request: Request, size: int) -> Request:
    """`request` for the echo, which answers with `size` bytes."""
    path = f"/bare/{size}" if request.protocol == "grpc" else f"/{size}"
    return Request(request.protocol, path, request.body, request.headers)


@dataclass(frozen=True, slots=True)
class Computed:
    """A batch computed over and over; times in seconds."""

    calls: int
    wall: float
    cpu: float
    p50: float
    p99: float


class InProcess:
    """The framework by itself, with the model's artifact loaded."""

    def __init__(self, process: subprocess.Popen[str], model: Model) -> None:
        self._process = process
        self._model = model

    def answer(self) -> NDArray[np.float32]:
        """What the framework answers to the model's question, flat. Raises BaselineError."""
        question = self._model.question()
        told = self._tell({"shape": question.shape, "data": question.reshape(-1).tolist()})
        return np.array(told["answer"], np.float32)

    def compute(self, rows: int, seconds: float) -> Computed:
        """Batches of `rows` for so long. Raises BaselineError."""
        told = self._tell({"shape": [rows, *self._model.shape], "seconds": seconds})
        return Computed(**told)

    def _tell(self, command: dict[str, object]) -> dict[str, Any]:
        with suppress(BrokenPipeError):  # what follows says why
            print(json.dumps(command), file=self._process.stdin, flush=True)
        told: dict[str, Any] = json.loads(_line(self._process, f"{self._model.runtime} in process"))
        return told


@contextmanager
def in_process(model: Model, artifact: Path) -> Iterator[InProcess]:
    """The framework of `model`; not for echo, which has none."""
    arguments = (model.runtime, str(artifact), model.input, model.output)
    with _python("loadtests.bench.in_process", *arguments) as process:
        yield InProcess(process, model)


@contextmanager
def _python(module: str, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """A module as a process of its own session, so that Ctrl-C is ours alone."""
    command: Sequence[str] = [sys.executable, "-m", module, *arguments]
    process = subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL, text=True, start_new_session=True,
    )  # fmt: skip
    try:
        yield process
    finally:
        process.kill()
        process.communicate(timeout=END_S)


def _line(process: subprocess.Popen[str], who: str) -> str:
    line = process.stdout.readline() if process.stdout is not None else ""
    if not line:
        raise BaselineError(f"{who} ended with code {process.wait(END_S)}")
    return line
