"""A server under measurement: started on one model, asked for a good answer, then loaded."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import grpc
import httpx
import numpy as np
from numpy.typing import NDArray

from loadtests.bench.affinity import Cpus, pinned
from loadtests.bench.models import Model
from loadtests.bench.plan import Serving
from loadtests.bench.processes import usage
from loadtests.bench.requests import Request, ask, request_for
from tests.harness.server_process import ServerProcess

START_S = 120.0
PAUSE_S = 0.01
"""Between two questions while the server starts."""

WARM = 20
"""Questions before anything is measured."""

COMPILED = {"PYTHONDONTWRITEBYTECODE": ""}
"""Where bytecode is not kept every start compiles the server, which an installed one never does."""

TOLERANCE = 1e-3
"""Of scores and probabilities: batches and runtimes add up in different orders."""

Expected = NDArray[np.float32]


class WrongAnswerError(Exception):
    """The server does not give the answer that the framework gives, or none."""


@dataclass(frozen=True, slots=True)
class Counts:
    """Running totals of the statistics extension."""

    rows: int
    executions: int
    failed: int


class Served:
    """A running server; `started_s` and `started_cpu` are what the first good answer took."""

    def __init__(self, serving: Serving, model: Model, server: ServerProcess) -> None:
        self.serving = serving
        self.model = model
        self.started_s = self.started_cpu = 0.0
        self._server = server

    @property
    def pid(self) -> int:
        """The gateway's."""
        return self._server.process.pid

    def address(self, protocol: str) -> str:
        """Where the server answers that protocol."""
        port = self._server.grpc_port if protocol == "grpc" else self._server.http_port
        return f"127.0.0.1:{port}"

    def await_answer(self, began: float, expected: Expected) -> None:
        """Ask until there is a good answer; a start that fails raises WrongAnswerError."""
        listening = self._server.wait_for("listening")
        self._server.http_port = listening["rest"]
        self._server.grpc_port = listening["grpc"]
        self._server.metrics_port = listening["metrics"]
        request = request_for(self.model, "rest-binary")
        while True:
            try:
                _, answer = ask(request, self.address("rest-binary"))
                break
            except httpx.HTTPError as error:
                late = time.perf_counter() - began > START_S
                if late or self._server.process.poll() is not None:
                    raise WrongAnswerError(f"no answer after the start: {error}") from None
            time.sleep(PAUSE_S)
        self.started_s = time.perf_counter() - began
        self.started_cpu = usage(self.pid).all
        _hold(answer, expected)

    def check(self, protocol: str, expected: Expected) -> tuple[Request, int]:
        """Ask a few times over `protocol`; the request, and how many bytes its answer has.

        Raises WrongAnswerError.
        """
        request, size = request_for(self.model, protocol), 0
        for _ in range(WARM):
            try:
                body, answer = ask(request, self.address(protocol))
            except (httpx.HTTPError, grpc.RpcError, ValueError, KeyError) as error:
                raise WrongAnswerError(f"no answer: {error}") from None
            _hold(answer, expected)
            size = len(body)
        return request, size

    def counts(self) -> Counts:
        """What the server has counted so far."""
        url = f"http://{self.address('rest')}/v2/models/{self.model.name}/stats"
        (told,) = httpx.get(url, timeout=30).json()["model_stats"]
        failed = told["inference_stats"]["fail"]["count"]
        # What a generator leaves under way at its end fails nobody.
        left = self._server.metric(
            "underway_requests_total", model=self.model.name, outcome="CANCELLED"
        )
        return Counts(told["inference_count"], told["execution_count"], failed - int(left))


@contextmanager
def served(
    serving: Serving, model: Model, repository: Path, expected: Expected, cpus: Cpus
) -> Iterator[Served]:
    """A server over `repository` that has answered well. Raises WrongAnswerError."""
    began = time.perf_counter()
    # Echo has no artifact that a manifest could name, and nothing is copied meanwhile.
    flags = ["--model-repository", str(repository), "--quiet-period", "0", *serving.flags]
    with pinned(cpus):
        server = ServerProcess(*flags, environment=COMPILED)
    try:
        one = Served(serving, model, server)
        try:
            one.await_answer(began, expected)
        except (RuntimeError, TimeoutError) as error:
            raise WrongAnswerError(f"it did not start: {str(error)[-300:]}") from None
        yield one
    finally:
        try:
            server.stop()
        except BaseException:
            server.process.kill()
            raise


def _hold(answer: Expected, expected: Expected) -> None:
    if answer.shape != expected.shape or not np.allclose(answer, expected, atol=TOLERANCE):
        raise WrongAnswerError(
            f"the answer has {answer.size} numbers and differs from the {expected.size} that the "
            "framework gives by itself"
        )
