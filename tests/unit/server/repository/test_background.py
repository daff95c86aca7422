"""Running what may hang in a thread of its own."""

import asyncio
import threading

import pytest

from server.repository.background import in_background


async def test_the_result_comes_back():
    assert await in_background(lambda: threading.current_thread().name, "look") == "look"


async def test_what_is_raised_comes_back():
    with pytest.raises(ZeroDivisionError):
        await in_background(lambda: 1 / 0, "look")


async def test_nobody_needs_to_wait_for_a_thread_that_hangs():
    release, daemons = threading.Event(), []

    def hang():
        daemons.append(threading.current_thread().daemon)
        release.wait(20)

    task = asyncio.create_task(in_background(hang, "hangs"))
    while not daemons:
        await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert daemons == [True]
    release.set()
