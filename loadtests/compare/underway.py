"""An Underway of the comparison's own: started over a folder of models, asked, and stopped."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests

from loadtests.generator.process import ROOT

START_TIMEOUT = 60.0
LOAD_TIMEOUT = 300.0
STOP_TIMEOUT = 60.0
LOOK_EVERY = 0.05
CALL_TIMEOUT = 10.0
SHOWN = 2000

Entry = Mapping[str, Any]
"""One transition as the admin API tells it."""


class ServerError(Exception):
    """A server or one of its models can't be measured; the message says why."""


@dataclass(frozen=True, slots=True)
class Underway:
    """A running server; addresses are HOST:PORT behind the scheme."""

    process: subprocess.Popen[bytes]
    repository: Path
    log: Path
    rest: str
    grpc: str
    admin: str
    command: str

    def wait_until_loaded(self, models: Sequence[str]) -> None:
        """Until all of them are READY. Raises ServerError with the reason where one fails."""
        deadline = time.monotonic() + LOAD_TIMEOUT
        while waiting := self._waiting(models):
            if time.monotonic() > deadline:
                raise ServerError(f"{', '.join(waiting)}: not loaded after {LOAD_TIMEOUT:.0f} s")
            time.sleep(LOOK_EVERY)

    def _waiting(self, models: Sequence[str]) -> list[str]:
        self.check()
        answer = requests.post(f"{self.rest}/v2/repository/index", timeout=CALL_TIMEOUT)
        index = {entry["name"]: entry for entry in answer.json()}
        for model in models:
            entry = index.get(model, {})
            if entry.get("state") == "UNAVAILABLE":
                raise ServerError(f"{model} does not load: {entry.get('reason', '')}")
        return [model for model in models if index.get(model, {}).get("state") != "READY"]

    def history(self, model: str) -> list[Entry]:
        """The model's transitions, oldest first; none where the server does not answer."""
        url = f"{self.admin}/v2/admin/models/{model}/history"
        try:
            entries: list[Entry] = requests.get(url, timeout=CALL_TIMEOUT).json()["history"]
        except requests.RequestException:
            return []  # what was measured until it went is worth keeping
        return entries

    def facts(self, model: str) -> dict[str, Any]:
        """What the log says of the model's last load: runtime, device, framework."""
        found: dict[str, Any] = {}
        for event in events(self.log):
            if event.get("event") == "ready" and event.get("model") == model:
                found = event
        return found

    def check(self) -> None:
        """Raise ServerError where it has ended."""
        if self.process.poll() is not None:
            raise ServerError(f"the server ended: {_end_of(self.log)}")

    def stop(self) -> None:
        """Let it finish; kill it where it does not."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(STOP_TIMEOUT)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def events(log: Path) -> Iterator[dict[str, Any]]:
    """The JSON lines of a server's log."""
    for line in log.read_bytes().splitlines():
        with contextlib.suppress(ValueError):
            event = json.loads(line)
            if isinstance(event, dict):
                yield event


def start(repository: Path, log: Path, flags: Sequence[str]) -> Underway:
    """`underway serve` on free ports of this machine. Raises ServerError."""
    arguments = ["serve", "--model-repository", str(repository), "--log-format", "json",
                 "--http-port", "0", "--grpc-port", "0", "--metrics-port", "0", *flags]  # fmt: skip
    with log.open("wb") as target:
        # A session of its own: Ctrl-C ends the measuring, and the servers in their turn.
        process = subprocess.Popen(
            [sys.executable, "-m", "server.cli", *arguments], cwd=ROOT, env=dict(os.environ),
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=target,
            start_new_session=True,
        )  # fmt: skip
    try:
        ports = _ports(process, log)
    except BaseException:
        process.kill()
        process.wait()
        raise
    rest, grpc, admin = (f"127.0.0.1:{ports[name]}" for name in ("rest", "grpc", "metrics"))
    shown = " ".join(["underway serve --model-repository REPOSITORY", *flags])
    return Underway(
        process, repository, log, f"http://{rest}", grpc, f"http://{admin}", shown
    )  # fmt: skip


def _ports(process: subprocess.Popen[bytes], log: Path) -> dict[str, Any]:
    deadline = time.monotonic() + START_TIMEOUT
    while time.monotonic() < deadline:
        for event in events(log):
            if event.get("event") == "listening":
                return event
        if process.poll() is not None:
            break
        time.sleep(LOOK_EVERY)
    raise ServerError(f"the server did not start: {_end_of(log)}")


def _end_of(log: Path) -> str:
    return log.read_text(errors="replace").strip()[-SHOWN:]
