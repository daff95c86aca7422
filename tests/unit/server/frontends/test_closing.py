"""Connections end at an age, and at the stop; never under the hands of a client that asks."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.frontends.closing import JITTER, Closing
from server.frontends.http_server import HttpServer

ASK = b"GET / HTTP/1.1\r\nHost: h\r\n\r\n"
LAST = b"connection: close"


@given(st.floats(0.1, 1e6), st.floats(0, 1e9))
def test_an_age_is_kept_within_the_jitter(age, now):
    lasts = Closing(age).ends_at(now) - now

    assert age * (1 - JITTER) - 1e-3 <= lasts <= age * (1 + JITTER) + 1e-3


def test_without_an_age_a_connection_never_ends_by_it():
    assert Closing().ends_at(5.0) == float("inf")


class App:
    """Answers `ok`; a request waits until `go` is set."""

    def __init__(self) -> None:
        self.go = asyncio.Event()
        self.go.set()
        self.asked = asyncio.Event()

    async def __call__(self, scope, receive, send):
        self.asked.set()
        await self.go.wait()
        headers = [(b"content-length", b"2")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"ok"})


@asynccontextmanager
async def serving(app: App, closing: Closing):
    server = HttpServer(app, "127.0.0.1", 0, closing)
    await server.start()
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    try:
        yield server, reader, writer
    finally:
        app.go.set()
        writer.close()
        await server.stop()


async def head_of_answer(reader: asyncio.StreamReader) -> bytes:
    async with asyncio.timeout(10):
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        assert await reader.readexactly(2) == b"ok"
        return head


async def ended(reader: asyncio.StreamReader) -> bool:
    async with asyncio.timeout(10):
        return await reader.read() == b""


async def test_the_first_answer_after_the_age_is_the_last():
    async with serving(App(), Closing(max_age=1e-6)) as (_, reader, writer):
        writer.write(ASK)

        assert LAST in await head_of_answer(reader)
        assert await ended(reader)


async def test_a_younger_connection_goes_on():
    async with serving(App(), Closing(max_age=3600)) as (_, reader, writer):
        for _ in range(3):
            writer.write(ASK)
            assert LAST not in await head_of_answer(reader)


async def test_requests_already_read_behind_an_old_one_are_answered_before_the_end():
    app = App()
    app.go.clear()
    async with serving(app, Closing(max_age=1e-6)) as (_, reader, writer):
        writer.write(ASK * 3)
        await app.asked.wait()
        app.go.set()

        heads = [await head_of_answer(reader)]
        while LAST not in heads[-1]:
            heads.append(await head_of_answer(reader))
        assert await ended(reader)


async def test_at_the_stop_a_request_under_way_is_answered_as_the_last():
    app = App()
    app.go.clear()
    async with serving(app, Closing(linger=60)) as (server, reader, writer):
        writer.write(ASK)
        await app.asked.wait()
        stopping = asyncio.ensure_future(server.stop())
        await asyncio.sleep(0.2)  # uvicorn looks ten times a second whether it is to stop
        app.go.set()

        assert LAST in await head_of_answer(reader)
        assert await ended(reader)
        await stopping


async def test_an_idle_connection_still_takes_up_a_request_within_the_linger():
    async with serving(App(), Closing(linger=60)) as (server, reader, writer):
        writer.write(ASK)
        await head_of_answer(reader)
        stopping = asyncio.ensure_future(server.stop())
        await asyncio.sleep(0.2)
        writer.write(ASK)

        assert LAST in await head_of_answer(reader)
        assert await ended(reader)
        await stopping


@pytest.mark.parametrize("linger", [0.0, 0.05])
async def test_one_that_stays_idle_is_closed_after_it(linger):
    async with serving(App(), Closing(linger=linger)) as (server, reader, writer):
        writer.write(ASK)
        await head_of_answer(reader)

        await server.stop()

        assert await ended(reader)
