"""Looks at the repositories again and again, and sooner where the file system tells of a change."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import structlog

from server.repository.background import in_background
from server.repository.errors import RepositoryError
from server.repository.listing import RepositoryListing
from server.repository.notifier import Notifier

log = structlog.get_logger()

MIN_GAP = 0.05
"""Seconds between two looks, however much changes; after a slow look, as long as that took."""


class RepositoryWatcher:
    """Scans in a thread and hands each listing to `on_listing`, on the event loop.

    It scans every `poll_interval` seconds, when something changes in a folder of a repository or
    model, when a listing is due, and when asked to. With a `poll_interval` of 0 it scans only when
    asked to. A scan that fails is logged once for as long as its reason stays the same.
    """

    def __init__(
        self,
        scan: Callable[[], RepositoryListing],
        on_listing: Callable[[RepositoryListing], None],
        poll_interval: float,
        roots: Sequence[Path],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._scan = scan
        self._on_listing = on_listing
        self._poll_interval = poll_interval
        self._clock = clock
        self._roots = tuple(roots)
        self._notifier = Notifier(self.poke)
        self._wake = asyncio.Event()
        self._waiting: list[asyncio.Future[None]] = []
        self._trouble = ""
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to watch; needs a running loop."""
        if self._poll_interval > 0:
            self._notifier.watch(self._roots)
            self.poke()
        self._task = asyncio.create_task(self._run(), name="repository watcher")

    async def stop(self) -> None:
        """End watching. A scan that is under way is not waited for, and its listing is dropped."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})
        self._notifier.stop()
        for waiting in self._waiting:
            waiting.cancel()

    def poke(self) -> None:
        """Scan soon."""
        self._wake.set()

    async def rescan(self) -> None:
        """Wait until a scan that begins from now on has been handed over.

        Raises what the scan raises, RepositoryError for one. Any number of callers share a scan.
        """
        waiting = asyncio.get_running_loop().create_future()
        self._waiting.append(waiting)
        self.poke()
        await waiting

    async def _run(self) -> None:
        pause: float | None = None
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._wake.wait()
            self._wake.clear()
            began = time.monotonic()
            due = await self._look()
            took = max(MIN_GAP, time.monotonic() - began)
            await asyncio.sleep(took)
            pause = self._pause(due, took)

    def _pause(self, due: float | None, slept: float) -> float | None:
        """Seconds until the next look if nothing happens; None for ever."""
        if self._poll_interval <= 0:
            return None
        pause = self._poll_interval - slept
        if due is not None:
            # A little later, because the times of files are only as fine as the kernel's tick.
            pause = min(pause, due - self._clock() + MIN_GAP)
        return max(0.0, pause)

    async def _look(self) -> float | None:
        """One scan, handed over; when the next one is due."""
        waiting, self._waiting = self._waiting, []
        try:
            listing = await in_background(self._scan, "repository-scan")
            self._on_listing(listing)
        except asyncio.CancelledError:
            self._waiting += waiting
            raise
        except Exception as error:
            self._report(error)
            _settle(waiting, error)
            return None
        if self._trouble:
            log.info("model repositories can be read again")
            self._trouble = ""
        _settle(waiting, None)
        if self._poll_interval > 0:
            # Folders that are gone for a while are watched anew when they are back.
            known = [] if listing.unreachable else _folders(listing)
            self._notifier.watch([*self._roots, *known])
        return listing.due

    def _report(self, error: Exception) -> None:
        expected = isinstance(error, RepositoryError)
        text = str(error) if expected else f"{error!r} This is a bug."
        if text != self._trouble:
            log.error("model repositories not read; all models stay as they are", reason=text,
                      exc_info=None if expected else error)  # fmt: skip
        self._trouble = text


def _settle(waiting: Sequence[asyncio.Future[None]], error: Exception | None) -> None:
    for future in waiting:
        if future.done():
            continue
        if error is None:
            future.set_result(None)
        else:
            future.set_exception(error)


def _folders(listing: RepositoryListing) -> list[Path]:
    """The models' folders, and those of versions that something is still missing from."""
    folders: list[Path] = []
    for entry in listing.models.values():
        folders.append(entry.folder)
        folders.extend(entry.folder_of(version) for version in entry.incomplete)
    return folders
