"""Starts generator processes, and brings home what they recorded."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from loadtests.generator import records
from loadtests.generator.answer import TIMEOUT
from loadtests.generator.plan import READY, Plan
from loadtests.generator.records import Records

ROOT = Path(__file__).parents[2]
HEAD_START = 0.1
"""Seconds between the word to begin and the first request: all have heard it by then."""

SHOWN = 2000

STOP_TIMEOUT = 60.0


class GeneratorError(Exception):
    """A generator could not do its work; the message says why."""


class Load:
    """Generators at work; `stop` ends them."""

    def __init__(self, plans: Sequence[Plan], folder: Path) -> None:
        self._targets = [folder / f"{number}.npz" for number in range(len(plans))]
        self._processes: list[subprocess.Popen[str]] = []
        for plan, target in zip(plans, self._targets, strict=True):
            path = target.with_suffix(".plan")
            path.write_bytes(plan.pack())
            command = [sys.executable, "-m", "loadtests.generator", str(path), str(target)]
            # Not a pipe for stderr: nobody would empty it meanwhile.
            with target.with_suffix(".log").open("wb") as log:
                process = subprocess.Popen(
                    command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True,
                    cwd=ROOT, env={**os.environ, **plan.token.environment},
                )  # fmt: skip
            self._processes.append(process)

    def connect(self) -> None:
        """Wait until all are connected; raises GeneratorError."""
        for process, target in zip(self._processes, self._targets, strict=True):
            assert process.stdout is not None  # noqa: S101
            if process.stdout.readline().strip() != READY:
                raise self._ended(process.wait(STOP_TIMEOUT), target)

    def begin(self) -> None:
        """Let them begin together; returns when the first request is due."""
        start = time.monotonic() + HEAD_START
        for process in self._processes:
            assert process.stdin is not None  # noqa: S101
            process.stdin.write(f"{start}\n")
            process.stdin.flush()
        time.sleep(max(0.0, start - time.monotonic()))

    def stop(self) -> list[Records]:
        """Send no more, wait for what is under way, and collect it, plan by plan."""
        for process in self._processes:
            assert process.stdin is not None  # noqa: S101
            process.stdin.close()
        return self.wait(STOP_TIMEOUT)

    def wait(self, seconds: float) -> list[Records]:
        """Wait until plans that have an end are through; raises GeneratorError."""
        for process, target in zip(self._processes, self._targets, strict=True):
            try:
                code = process.wait(seconds)
            except subprocess.TimeoutExpired:
                raise GeneratorError(f"a generator was not done after {seconds:.0f} s") from None
            if code != 0:
                raise self._ended(code, target)
        return [records.load(target) for target in self._targets]

    def kill(self) -> None:
        """End whatever is still there."""
        for process in self._processes:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            process.wait()
            for pipe in (process.stdin, process.stdout):
                if pipe is not None:
                    pipe.close()

    def _ended(self, code: int, target: Path) -> GeneratorError:
        said = target.with_suffix(".log").read_text(errors="replace").strip()
        return GeneratorError(f"a generator ended with {code}: {said[-SHOWN:]}")


@contextlib.contextmanager
def connected(plans: Sequence[Plan], folder: Path) -> Iterator[Load]:
    """Have everything ready to send `plans`; `begin` sends them."""
    folder.mkdir(parents=True, exist_ok=True)
    load = Load(plans, folder)
    try:
        load.connect()
        yield load
    finally:
        load.kill()


@contextlib.contextmanager
def under_load(plans: Sequence[Plan], folder: Path) -> Iterator[Load]:
    """Send all `plans` from now on; returns when the first request is due."""
    with connected(plans, folder) as load:
        load.begin()
        yield load


def run(plan: Plan, save: Path | None = None) -> Records:
    """Send one plan, which must have `seconds`, from a process of its own, and wait for its end.

    With `save` the records are written there too (`records.load` reads them). Raises
    GeneratorError, and ValueError for a plan without an end.
    """
    if not plan.seconds > 0:
        raise ValueError("plan.seconds: expected more than 0, or it would never end")
    folder = tempfile.TemporaryDirectory(prefix="underway-load-")
    with folder as path, under_load([plan], Path(path)) as load:
        (found,) = load.wait(plan.seconds + TIMEOUT + STOP_TIMEOUT)
    if save is not None:
        found.save(save)
    return found
