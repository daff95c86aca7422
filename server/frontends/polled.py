"""ASGI's `receive` for servers that answer at once, and again and again, after a request's end."""

from __future__ import annotations

import asyncio

from starlette.types import Message, Receive

FIRST_PAUSE = 0.05
LONGEST_PAUSE = 0.5
"""Seconds after which it is looked again whether the client is still there."""


class PolledReceive:
    """Whoever waits for `http.disconnect` would else spin: such a server says when asked, and wakes
    nobody.
    """

    __slots__ = ("_ended", "_pause", "_receive")

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._ended = False
        self._pause = FIRST_PAUSE

    async def __call__(self) -> Message:
        """The next event; pauses grow, so that a long request costs little."""
        if self._ended:
            await asyncio.sleep(self._pause)
            self._pause = min(self._pause * 1.5, LONGEST_PAUSE)
        event = await self._receive()
        self._ended = not event.get("more_body", False)
        return event
