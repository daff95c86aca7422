"""Reading what is large beside the loop, which must not stand still for others."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar, TypeVarTuple

Result = TypeVar("Result")
Given = TypeVarTuple("Given")

OFF_LOOP_BYTES = 2**20
"""From here on reading takes longer than another thread costs."""


async def by_size(size: int, read: Callable[[*Given], Result], *given: *Given) -> Result:
    """What `read` makes of the arguments `given`, which are `size` bytes; raises as it does."""
    if size < OFF_LOOP_BYTES:
        return read(*given)
    return await asyncio.to_thread(read, *given)
