"""Follows the access file, so that tokens come and go without a restart."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from functools import partial
from pathlib import Path

import structlog

from server.access.file import AccessFileError, read_access_file, rules_in
from server.access.rules import Rules
from server.repository.background import in_background

log = structlog.get_logger()

INTERVAL = 2.0
PATIENCE = 10.0
"""Seconds that a look may take before the log says that it does."""


class AccessWatch:
    """Reads `path` every `interval` seconds and hands rules that are new to `tell`.

    A file that is wrong, gone or cannot be read in time changes nothing, and is logged once for as
    long as its reason stays the same.
    """

    def __init__(
        self,
        path: Path,
        content: bytes,
        tell: Callable[[Rules], None],
        interval: float = INTERVAL,
        patience: float = PATIENCE,
    ) -> None:
        """`content` is what the file held when it was read last, and `tell` was told."""
        self._path = path
        self._content = content
        self._tell = tell
        self._interval = interval
        self._patience = patience
        self._trouble = ""
        self._reading: asyncio.Task[bytes] | None = None
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to look; needs a running loop."""
        self._task = asyncio.create_task(self._run(), name="access file")

    async def stop(self) -> None:
        """Look no more."""
        for task in (self._task, self._reading):
            if task is not None:
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError, AccessFileError):
                    await task

    async def look(self) -> None:
        """Look once, now."""
        try:
            content = await self._read()
            if content != self._content:
                # Also in a thread: many tokens take longer than requests should wait.
                rules = await in_background(partial(rules_in, content), "access-file")
                self._tell(rules)
                self._content = content
                log.info("access changed", tokens=len(rules.holders),
                         anonymous=sorted(rules.anonymous))  # fmt: skip
        except AccessFileError as error:
            self._complain(str(error))
        except TimeoutError:
            self._complain(f"it could not be read within {self._patience:g} s")
        else:
            self._trouble = ""

    async def _read(self) -> bytes:
        # One at a time: a file server that is dead holds one thread, and not one more each look.
        if self._reading is None:
            read = partial(read_access_file, self._path)
            self._reading = asyncio.create_task(in_background(read, "access-file"))
        await asyncio.wait((self._reading,), timeout=self._patience)
        if not self._reading.done():
            raise TimeoutError
        done, self._reading = self._reading, None
        return done.result()

    def _complain(self, reason: str) -> None:
        if reason != self._trouble:
            self._trouble = reason
            log.error("the access file cannot be used; what it said last holds", reason=reason)

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(self._interval)
            try:
                await self.look()
            except Exception:  # whatever it was, tokens are still to be taken back
                log.exception("unexpected error", file="access")
