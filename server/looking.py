"""Looks at the repositories again where something was written a moment ago."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

MAX_LOOKS = 5
"""Looks before a call goes on without what is still being written."""

LOOK_LATER = 0.05
"""Seconds to be late by, because the times of files are only as fine as the kernel's tick."""


async def look_until_quiet(
    look: Callable[[], Awaitable[None]], due: Callable[[], float | None]
) -> None:
    """Have a `look`; again at the time that `due` gives, in seconds since the epoch, when what only
    has to stay as it is will count as whole.
    """
    for _ in range(MAX_LOOKS):
        await look()
        at = due()
        if at is None:
            return
        await asyncio.sleep(max(0.0, at - time.time()) + LOOK_LATER)
