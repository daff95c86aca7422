"""Stops working for a client that has gone away."""

from __future__ import annotations

import asyncio
from types import TracebackType

from starlette.types import Receive

from server.errors import Cancelled


class CancelWhenGone:
    """Within `with`, a client that disconnects cancels the block, which then raises Cancelled.

    Most requests are over before `after_s`, so only then is a task spent on listening. To be
    entered after the request's body has been read.
    """

    def __init__(self, receive: Receive, after_s: float) -> None:
        self._receive = receive
        self._after_s = after_s
        self._gone = False
        self._watcher: asyncio.Task[None] | None = None

    def __enter__(self) -> None:
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("CancelWhenGone is used outside of a task. This is a bug.")
        self._task = task
        self._loop = asyncio.get_running_loop()
        self._timer = self._loop.call_later(self._after_s, self._start)

    def _start(self) -> None:
        self._watcher = self._loop.create_task(self._watch())

    async def _watch(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self._gone = True
        self._task.cancel()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._timer.cancel()
        if self._watcher is not None:
            self._watcher.cancel()
        # As in asyncio.timeout: our own cancellation is taken back and renamed, anyone else's
        # (the server stopping) goes on.
        if self._gone and self._task.uncancel() == 0 and kind is asyncio.CancelledError:
            raise Cancelled("the client went away") from error
