"""Messages of a stream answered several at once, their answers kept in order."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine


async def in_order(
    messages: AsyncIterator[bytes],
    answer: Callable[[bytes], Coroutine[None, None, bytes]],
    at_once: int,
) -> AsyncGenerator[bytes, None]:
    """Yield `answer(message)` for each message, in the order of the messages.

    At most `at_once` answers are under way or waiting to be taken; no further message is read
    meanwhile. The first error ends the stream after the answers before it, and cancels the rest.
    Close the generator (`contextlib.aclosing`) so that nothing outlives it.
    """
    slots = asyncio.Semaphore(at_once)
    more = asyncio.Event()
    tasks: deque[asyncio.Task[bytes]] = deque()

    async def read() -> None:
        try:
            await slots.acquire()
            async for message in messages:
                tasks.append(asyncio.create_task(answer(message)))
                more.set()
                await slots.acquire()
        finally:
            more.set()

    reader = asyncio.create_task(read())
    try:
        while True:
            while tasks:
                # It stays in `tasks` while awaited, so that closing the generator ends it too.
                reply = await tasks[0]
                tasks.popleft()
                yield reply
                slots.release()
            if reader.done():
                reader.result()
                return
            more.clear()
            await more.wait()
    finally:
        left = [reader, *tasks]
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)
