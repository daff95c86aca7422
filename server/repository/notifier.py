"""Tells that something changed in one of many folders, where the file system can tell."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import structlog
import watchfiles

log = structlog.get_logger()

STEP_MS = 50
"""Changes are told once none has followed for this long."""
DEBOUNCE_MS = 400
"""While changes keep coming, they are told at most this much later."""
MAX_FOLDERS = 10_000


class Notifier:
    """Calls `on_change` on the event loop after a change directly inside one of its folders.

    Only ever a hint: where there is no notification, or no more of it, that is logged and all is
    silent until other folders are given. Never recursive: that would follow links out of the
    repository, and use up the system's watches on the folders inside of versions.
    """

    def __init__(self, on_change: Callable[[], None]) -> None:
        self._on_change = on_change
        self._folders: frozenset[Path] = frozenset()
        self._stop = threading.Event()
        self._trouble = ""

    def watch(self, folders: Iterable[Path]) -> None:
        """Watch just these folders from now on; calls `on_change` once it is really so.

        That call closes the gap: what changed before it was told to nobody.
        """
        wanted = frozenset(folders)
        if wanted == self._folders:
            return
        self.stop()
        self._folders, self._stop = wanted, threading.Event()
        # Not a thread of the executor: to watch a folder of a file server that is gone may hang.
        threading.Thread(
            target=self._run,
            args=(sorted(wanted), self._stop, asyncio.get_running_loop()),
            name="repository-notifier",
            daemon=True,
        ).start()

    def stop(self) -> None:
        """End watching; the thread ends by itself soon after."""
        self._stop.set()
        self._folders = frozenset()

    def _run(
        self, folders: Sequence[Path], stop: threading.Event, loop: asyncio.AbstractEventLoop
    ) -> None:
        def tell(function: Callable[[], None]) -> None:
            with contextlib.suppress(RuntimeError):  # the loop may be closed by now
                loop.call_soon_threadsafe(lambda: None if stop.is_set() else function())

        try:
            for changes in _changes(folders, stop):
                if changes:
                    tell(self._on_change)
        except Exception as error:
            # Whatever it is: looking at intervals goes on without it.
            reason = str(error)[:500]
            tell(lambda: self._report(reason))

    def _report(self, reason: str) -> None:
        if reason != self._trouble:
            log.warning("no notice of file changes; looking at intervals only", reason=reason)
        self._trouble = reason


def _changes(folders: Sequence[Path], stop: threading.Event) -> Iterable[bool]:
    """True first, once the folders are watched, then whenever one has changed; else False."""
    present = [folder for folder in folders if folder.is_dir()]
    if len(present) > MAX_FOLDERS:
        raise OSError(f"{len(present)} folders, more than {MAX_FOLDERS}")
    watched = False
    for changes in watchfiles.watch(
        *present, stop_event=stop, recursive=False, watch_filter=None, debounce=DEBOUNCE_MS,
        step=STEP_MS, rust_timeout=STEP_MS, yield_on_timeout=True,
    ):  # fmt: skip
        yield bool(changes) or not watched
        watched = True
