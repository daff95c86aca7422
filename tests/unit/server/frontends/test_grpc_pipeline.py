import asyncio
from contextlib import aclosing

import pytest

from server.frontends.pipeline import in_order


async def _numbers(count, error=None):
    for number in range(count):
        yield bytes([number])
    if error is not None:
        raise error


async def _collect(replies, seen):
    async for reply in replies:
        seen.append(reply)


async def test_answers_keep_the_order_of_messages_whatever_order_they_finish_in():
    done = {bytes([number]): asyncio.Event() for number in range(3)}

    async def answer(message):
        if message != b"\x02":
            await done[bytes([message[0] + 1])].wait()
        done[message].set()
        return message

    assert [reply async for reply in in_order(_numbers(3), answer, 3)] == [b"\0", b"\1", b"\2"]


async def test_an_error_ends_the_stream_after_the_answers_before_it():
    async def answer(message):
        if message == b"\x02":
            raise ValueError("two")
        return message

    seen = []
    with pytest.raises(ValueError, match="two"):
        await _collect(in_order(_numbers(9), answer, 4), seen)
    assert seen == [b"\0", b"\1"]


async def test_an_error_of_the_messages_comes_after_all_answers():
    async def answer(message):
        return message

    seen = []
    with pytest.raises(ValueError, match="cut"):
        await _collect(in_order(_numbers(3, ValueError("cut")), answer, 2), seen)
    assert len(seen) == 3


async def test_no_message_means_no_answer():
    async def answer(message):
        return message

    assert [reply async for reply in in_order(_numbers(0), answer, 2)] == []


async def test_closing_early_ends_everything_that_was_started():
    cancelled = []

    async def answer(message):
        if message == b"\0":
            return message
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.append(message)
            raise

    before = asyncio.all_tasks()
    async with aclosing(in_order(_numbers(9), answer, 3)) as replies:
        assert await anext(replies) == b"\0"
        await asyncio.sleep(0)
    assert asyncio.all_tasks() == before
    assert cancelled
