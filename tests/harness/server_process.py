"""A real Underway server in a process of its own, with its log read as events."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx

ROOT = Path(__file__).parents[2]
CLIENT_PYTHON = ROOT / ".venvs/clients/bin/python"
Event = dict[str, Any]


class ServerProcess:
    """`underway serve` on free ports; `events` are its JSON log lines so far."""

    def __init__(self, *arguments: str, environment: dict[str, str] | None = None) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "server.cli", "serve", "--log-format", "json",
             "--http-port", "0", "--grpc-port", "0", "--metrics-port", "0", *arguments],
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, cwd=ROOT,
            env={**os.environ, **(environment or {})},
        )  # fmt: skip
        self.events: list[Event] = []
        self.listening: Event = {}
        self._lines: queue.SimpleQueue[Event | None] = queue.SimpleQueue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self.http_port = self.grpc_port = self.metrics_port = 0

    def wait_for(self, event: str, timeout: float = 90, **fields: Any) -> Event:
        """The next log line of that event with those fields; fails when the server ends first."""
        deadline = time.monotonic() + timeout
        for seen in self.events:
            if _matches(seen, event, fields):
                return seen
        while True:
            try:
                line = self._lines.get(timeout=max(0.01, deadline - time.monotonic()))
            except queue.Empty:
                raise TimeoutError(f"no '{event}' {fields} in {self.events}") from None
            if line is None:
                raise RuntimeError(f"the server ended before '{event}': {self.events}")
            self.events.append(line)
            if _matches(line, event, fields):
                return line

    def forget(self) -> None:
        """Look only at log lines from here on."""
        with contextlib.suppress(queue.Empty):
            while self._lines.get_nowait() is not None:
                pass
        self.events.clear()

    def started(self) -> ServerProcess:
        """Wait until it listens and every model is READY or FAILED."""
        self.listening = self.wait_for("listening")
        self.http_port = self.listening["rest"]
        self.grpc_port = self.listening["grpc"]
        self.metrics_port = self.listening["metrics"]
        self.wait_for("all models settled", 120)
        return self

    @property
    def url(self) -> str:
        """Where REST is."""
        return f"http://127.0.0.1:{self.http_port}"

    @property
    def grpc_address(self) -> str:
        """Where gRPC is."""
        return f"127.0.0.1:{self.grpc_port}"

    def metric(self, name: str, **labels: str) -> float:
        """The sum of a metric's samples with those labels; 0 where there are none."""
        total = 0.0
        text = httpx.get(f"http://127.0.0.1:{self.metrics_port}/metrics", timeout=20).text
        for line in text.splitlines():
            sample, _, value = line.rpartition(" ")
            found, _, given = sample.partition("{")
            if found == name and all(f'{key}="{one}"' in given for key, one in labels.items()):
                total += float(value)
        return total

    def in_flight(self, model: str) -> float:
        """Requests a model has not answered yet."""
        return self.metric("underway_requests_in_flight", model=model)

    def stop(self, timeout: float = 40) -> int:
        """SIGTERM; the exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(timeout)
        self._reader.join(10)
        return code

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            try:
                self._lines.put(json.loads(line))
            except ValueError:
                self._lines.put({"event": "not json", "text": line})
        self._lines.put(None)


@contextlib.contextmanager
def serving(
    *repositories: Path, arguments: tuple[str, ...] = (), environment: dict[str, str] | None = None
) -> Iterator[ServerProcess]:
    """A started server over `repositories`; killed at the end if it does not stop."""
    flags = [item for path in repositories for item in ("--model-repository", str(path))]
    server = ServerProcess(*flags, *arguments, environment=environment)
    try:
        yield server.started()
    finally:
        try:
            server.stop()
        except subprocess.TimeoutExpired:
            server.process.kill()
            raise


def run_client(program: Path, *arguments: str, timeout: float = 120) -> str:
    """Run a client program in the clients' environment; its output. Fails with what it printed."""
    done = subprocess.run(
        [str(CLIENT_PYTHON), str(program), *arguments],
        capture_output=True, text=True, timeout=timeout, check=False,
    )  # fmt: skip
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return done.stdout


def _matches(line: Event, event: str, fields: dict[str, Any]) -> bool:
    return line.get("event") == event and all(line.get(k) == v for k, v in fields.items())
