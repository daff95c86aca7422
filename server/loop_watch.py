"""Says when the event loop stands still, and where: nothing that runs in the loop could say so.

A loop that stands still answers no probe of liveness either, so whoever probes restarts the server;
what is logged here is what is left to find the reason by.
"""

from __future__ import annotations

import asyncio
import sys
import threading
import time
import traceback

import structlog

log = structlog.get_logger()

ASK_EVERY = 1.0
_RESUMED_S = 0.5
_FRAMES = 8


class LoopWatch:
    """A thread that asks the running loop for a sign of life, from `start` to `stop`.

    `silence` is how many seconds without one are worth an error.
    """

    def __init__(self, silence: float, ask_every: float = ASK_EVERY) -> None:
        self._silence = silence
        self._ask_every = ask_every
        self._over = threading.Event()

    def start(self) -> None:
        """Watch the loop that this is called in."""
        loop, thread = asyncio.get_running_loop(), threading.get_ident()
        threading.Thread(
            target=self._watch, args=(loop, thread), name="loop-watch", daemon=True
        ).start()

    def stop(self) -> None:
        """Watch no more."""
        self._over.set()

    def _watch(self, loop: asyncio.AbstractEventLoop, thread: int) -> None:
        while not self._over.wait(self._ask_every):
            alive, asked_at = threading.Event(), time.monotonic()
            try:
                loop.call_soon_threadsafe(alive.set)
            except RuntimeError:  # it is closed
                return
            # A second, short wait: after a pause of the whole process the first is over too soon.
            if alive.wait(self._silence) or alive.wait(_RESUMED_S) or self._over.is_set():
                continue
            log.error("the event loop stands still", silent_s=round(self._silence, 1),
                      at=_where(thread))  # fmt: skip
            alive.wait()
            log.warning("the event loop runs again",
                        stood_still_s=round(time.monotonic() - asked_at, 1))  # fmt: skip


def _where(thread: int) -> str:
    """The innermost frames of a thread, the innermost last."""
    frame = sys._current_frames().get(thread)
    frames = traceback.extract_stack(frame)[-_FRAMES:]
    return " > ".join(f"{one.name} ({one.filename}:{one.lineno})" for one in frames)
