"""What each signal to stop means: the first begins the drain delay, another ends it early, and one
after that ends the process at once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import structlog

log = structlog.get_logger()


class Stopping:
    """From the first signal to the end.

    `begin` is called at the first signal and tells whether clients are being answered, for whom the
    server then serves on for `delay` seconds. `at_once` ends the process.
    """

    def __init__(
        self, delay: float, begin: Callable[[], bool], at_once: Callable[[], None]
    ) -> None:
        self._delay = delay
        self._begin = begin
        self._at_once = at_once
        self._asked = asyncio.Event()
        self._delay_over = asyncio.Event()

    def signal(self, name: str) -> None:
        """SIGTERM or SIGINT has come."""
        if not self._asked.is_set():
            self._first(name)
        elif not self._delay_over.is_set():
            log.info("another signal: the drain delay ends", signal=name)
            self._delay_over.set()
        else:
            log.warning("another signal: stopping at once", signal=name)
            self._at_once()

    async def asked(self) -> None:
        """Return when the server is to stop."""
        await self._asked.wait()

    async def delay(self) -> None:
        """Return when the drain delay is over; at once where there is none."""
        try:
            async with asyncio.timeout(self._delay):
                await self._delay_over.wait()
        except TimeoutError:
            self._delay_over.set()
            log.info("the drain delay is over: finishing what is in flight")

    def _first(self, name: str) -> None:
        if self._begin() and self._delay:
            log.info("not ready from here on; serving on until the drain delay is over",
                     signal=name, drain_delay_s=self._delay)  # fmt: skip
        else:
            log.info("stopping: finishing what is in flight", signal=name)
            self._delay_over.set()
        self._asked.set()
