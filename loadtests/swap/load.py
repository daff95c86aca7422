"""Starts the generator processes, one per protocol, and brings home what they recorded."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from loadtests.swap.plan import Plan
from loadtests.swap.records import Records, load

ROOT = Path(__file__).parents[2]
HEAD_START = 1.5
"""Seconds until the first request: Python and gRPC have started by then."""

STOP_TIMEOUT = 60.0


class Load:
    """Generators at work; `stop` ends them."""

    def __init__(self, plans: Sequence[Plan], folder: Path) -> None:
        self._targets = [folder / f"{plan.protocol}.npz" for plan in plans]
        self._processes = [
            subprocess.Popen(
                [sys.executable, "-m", "loadtests.swap.generator", plan.to_json(), str(target)],
                stdin=subprocess.PIPE, cwd=ROOT,
            )
            for plan, target in zip(plans, self._targets, strict=True)
        ]  # fmt: skip

    def stop(self) -> Records:
        """Send no more, wait for what is under way, and collect it."""
        for process in self._processes:
            assert process.stdin is not None  # noqa: S101
            process.stdin.close()
        for process in self._processes:
            if process.wait(STOP_TIMEOUT) != 0:
                raise RuntimeError(f"a load generator ended with {process.returncode}")
        return load(self._targets)

    def kill(self) -> None:
        """End whatever is still there."""
        for process in self._processes:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            process.wait()


@contextlib.contextmanager
def under_load(
    addresses: dict[str, str], models: tuple[str, ...], rate: float, clients: int, folder: Path
) -> Iterator[Load]:
    """Send `rate` requests per second, half by each protocol, or a closed loop where that is 0.

    `addresses` are by protocol, `clients` is per protocol. Returns when the first request is due.
    """
    start = time.monotonic() + HEAD_START
    plans = [
        Plan(protocol, address, models, rate / len(addresses), clients, start, seed)
        for seed, (protocol, address) in enumerate(addresses.items(), start=1)
    ]
    folder.mkdir(parents=True, exist_ok=True)
    load = Load(plans, folder)
    try:
        time.sleep(max(0.0, start - time.monotonic()))
        yield load
    finally:
        load.kill()
