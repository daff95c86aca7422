"""Follows the access file, so that tokens come and go without a restart."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from functools import partial
from pathlib import Path

import structlog

from server.access.file import AccessFileError, read_access_file
from server.access.rules import Rules
from server.repository.background import in_background

log = structlog.get_logger()

INTERVAL = 2.0


class AccessWatch:
    """Reads `path` every `interval` seconds and hands rules that are new to `tell`.

    A file that is gone or wrong changes nothing, and is logged once for as long as its reason stays
    the same. `rules` are those that hold at the start.
    """

    def __init__(
        self, path: Path, rules: Rules, tell: Callable[[Rules], None], interval: float = INTERVAL
    ) -> None:
        self._path = path
        self._rules = rules
        self._tell = tell
        self._interval = interval
        self._trouble = ""
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to look; needs a running loop."""
        self._task = asyncio.create_task(self._run(), name="access file")

    async def stop(self) -> None:
        """Look no more."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def look(self) -> None:
        """Look once, now."""
        try:
            rules = await in_background(partial(read_access_file, self._path), "access-file")
        except AccessFileError as error:
            if str(error) != self._trouble:
                self._trouble = str(error)
                log.error("the access file cannot be used; what it said last holds",
                          reason=self._trouble)  # fmt: skip
            return
        self._trouble = ""
        if rules != self._rules:
            self._rules = rules
            self._tell(rules)
            log.info("access changed", tokens=len(rules.holders), anonymous=sorted(rules.anonymous))

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(self._interval)
            await self.look()
