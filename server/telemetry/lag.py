"""How late an event loop is: what any request in it has to wait for, whatever it is."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable

from server.telemetry.counts import Latency
from server.telemetry.tally import observe

INTERVAL = 0.1
"""Seconds between two looks; a loop that stands still for less is seen by luck."""

LOOKS = 10
"""Looks between two times that it is told."""


class LagMeter:
    """Measures the running loop from `start` to `stop`; `tell` is given what was measured, about
    every second.
    """

    def __init__(self, tell: Callable[[Latency], None]) -> None:
        self._tell = tell
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin."""
        self._task = asyncio.ensure_future(self._measure())

    async def stop(self) -> None:
        """Measure no more."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def _measure(self) -> None:
        loop = asyncio.get_running_loop()
        while True:  # what is told is about a second apart
            lag = Latency()
            for _ in range(LOOKS):
                due = loop.time() + INTERVAL
                await asyncio.sleep(INTERVAL)
                observe(lag, max(0, round((loop.time() - due) * 1e9)))
            self._tell(lag)
