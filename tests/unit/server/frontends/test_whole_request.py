"""Small requests pass by uvicorn's cycle of events and behave on a connection like all others."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from types import SimpleNamespace

import pytest

from server.errors import InvalidArgument
from server.frontends.closing import Closing
from server.frontends.direct import DirectAnswer
from server.frontends.http_server import HttpServer
from server.frontends.whole_request import MAX_BYTES, WholeCycle, body_size
from tests.unit.server.frontends.test_http_protocol import answer, app, send_paced

HEAD = b"POST /whole HTTP/1.1\r\nHost: test\r\n"


class Door:
    """Answers POST /whole with what came, in parts; remembers what it saw."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        self.cancelled = asyncio.Event()
        self.begun = asyncio.Event()
        self.ages: list[int] = []
        self.extra: list[tuple[bytes, bytes]] = []

    def whole(self, url):
        return self.answer if url == b"/whole" else None

    def admits(self, fields):
        return (b"x-token", b"none") not in fields

    async def answer(self, headers, body, head_ns):
        self.bodies.append(bytes(body))
        self.ages.append(time.monotonic_ns() - head_ns)
        self.begun.set()
        match headers.get(b"x-do"):
            case b"refuse":
                raise InvalidArgument("not this one")
            case b"break":
                raise RuntimeError("a secret")
            case b"pause":
                await asyncio.sleep(0.1)
            case b"wait":
                try:
                    await asyncio.sleep(60)
                except asyncio.CancelledError:
                    self.cancelled.set()
                    raise
        return DirectAnswer([body[:2], memoryview(body)[2:]], len(body), [*self.extra])


@pytest.fixture
async def door():
    return Door()


@pytest.fixture
async def server(door) -> AsyncIterator[HttpServer]:
    server = HttpServer(app, "127.0.0.1", 0, Closing(grace=1), door=door)
    await server.start()
    yield server
    await server.stop()


@pytest.fixture
async def connection(server):
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    yield reader, writer
    writer.close()


def post(body: bytes, *fields: bytes) -> bytes:
    lines = b"".join(field + b"\r\n" for field in fields)
    return HEAD + lines + b"Content-Length: %d\r\n\r\n" % len(body) + body


async def test_it_is_answered_and_the_connection_kept(connection, door):
    reader, writer = connection
    for body in (b"", b"a", b"abc" * 1000):
        writer.write(post(body))
        assert await answer(reader) == (200, body)
    assert len(door.bodies) == 3


async def test_a_body_may_come_in_pieces(connection, door):
    reader, writer = connection
    body = bytes(range(256)) * 100
    await send_paced(writer, post(body), 700)
    assert await answer(reader) == (200, body)
    assert door.bodies == [body]


async def test_pipelined_with_others_all_are_answered_in_order(connection):
    reader, writer = connection
    other = b"POST /slow HTTP/1.1\r\nHost: test\r\nContent-Length: 4\r\n\r\nbody"
    writer.write(post(b"one") + other + post(b"two") + post(b"three") + other + post(b"four"))
    found = [(await answer(reader))[1] for _ in range(6)]
    assert found == [b"one", b"4", b"two", b"three", b"4", b"four"]


@pytest.mark.parametrize(
    "request_bytes",
    [
        HEAD.replace(b"POST", b"PUT") + b"Content-Length: 3\r\n\r\nabc",
        HEAD.replace(b"/whole", b"/other") + b"Content-Length: 3\r\n\r\nabc",
        HEAD.replace(b"HTTP/1.1", b"HTTP/1.0") + b"Content-Length: 3\r\n\r\nabc",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
        HEAD + b"X-Token: none\r\nContent-Length: 3\r\n\r\nabc",
        HEAD + b"Content-Encoding: gzip\r\nContent-Length: 3\r\n\r\nabc",
    ],
    ids=["another method", "another path", "HTTP/1.0", "chunks", "not let in", "packed"],
)
async def test_what_is_not_small_and_whole_goes_the_other_way(connection, door, request_bytes):
    reader, writer = connection
    writer.write(request_bytes)
    assert await answer(reader) == (200, b"3")
    assert door.bodies == []


async def test_a_large_body_goes_the_other_way(connection, door):
    reader, writer = connection
    writer.write(post(bytes(MAX_BYTES + 1)))
    assert await answer(reader) == (200, str(MAX_BYTES + 1).encode())
    writer.write(post(bytes(MAX_BYTES)))
    assert (await answer(reader))[0] == 200
    assert [len(body) for body in door.bodies] == [MAX_BYTES]


async def test_who_waits_to_be_told_to_go_on_is_told(connection, door):
    reader, writer = connection
    writer.write(HEAD + b"Expect: 100-continue\r\nContent-Length: 3\r\n\r\n")
    assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
    writer.write(b"abc")
    assert await answer(reader) == (200, b"3")
    assert door.bodies == []


async def test_a_refusal_has_the_shape_of_all_errors_and_the_connection_stays(connection):
    reader, writer = connection
    writer.write(post(b"a", b"X-Do: refuse"))
    status, body = await answer(reader)
    assert (status, json.loads(body)) == (400, {"error": "not this one"})
    writer.write(post(b"b"))
    assert await answer(reader) == (200, b"b")


async def test_an_unexpected_error_tells_the_client_nothing(connection):
    reader, writer = connection
    writer.write(post(b"a", b"X-Do: break"))
    status, body = await answer(reader)
    assert status == 500
    assert b"secret" not in body
    writer.write(post(b"b"))
    assert await answer(reader) == (200, b"b")


async def test_a_client_that_goes_away_ends_the_work(connection, door):
    _, writer = connection
    writer.write(post(b"a", b"X-Do: wait"))
    await asyncio.wait_for(door.begun.wait(), 10)
    writer.transport.abort()
    await asyncio.wait_for(door.cancelled.wait(), 10)


async def test_a_client_that_goes_away_behind_another_answer_ends_the_work(connection, door):
    _, writer = connection
    writer.write(post(b"1", b"X-Do: pause") + post(b"2", b"X-Do: wait"))
    while len(door.bodies) < 2:
        await asyncio.sleep(0.01)
    writer.transport.abort()
    await asyncio.wait_for(door.cancelled.wait(), 10)


async def test_time_counts_from_the_head_on(connection, door):
    reader, writer = connection
    writer.write(post(b"abc")[:-2])
    await writer.drain()
    await asyncio.sleep(0.2)
    writer.write(b"bc")
    assert await answer(reader) == (200, b"abc")
    assert door.ages[0] >= 150_000_000


async def test_an_idle_connection_keeps_nothing_of_its_last_request(server, connection):
    reader, writer = connection
    writer.write(post(b"x" * 50_000))
    assert (await answer(reader))[0] == 200
    (kept,) = server._server.server_state.connections
    assert (kept.cycle._body, kept.cycle._headers, kept.cycle.task) == (b"", {}, None)


async def test_what_has_not_come_when_the_server_ends_is_not_waited_for(server, connection, door):
    reader, writer = connection
    writer.write(post(b"abc")[:-2])
    await asyncio.sleep(0.1)
    await server.stop(1.0)
    assert await asyncio.wait_for(reader.read(), 10) == b""
    assert door.bodies == []


async def test_what_waits_behind_an_answer_that_is_cut_short_is_never_begun(
    server, connection, door
):
    reader, writer = connection
    writer.write(post(b"1", b"X-Do: wait") + post(b"2", b"X-Do: wait"))
    await asyncio.wait_for(door.begun.wait(), 10)
    await server.stop(1.0)
    whole = await asyncio.wait_for(reader.read(), 10)
    assert whole.startswith(b"HTTP/1.1 503 ")
    assert b"connection: close\r\n" in whole
    assert door.bodies == [b"1"]


async def test_cancelled_before_it_began_it_is_forgotten():
    forgotten = []
    connection = SimpleNamespace(forget=forgotten.append)
    cycle = WholeCycle(b"/", Door().answer, {}, connection, [], keep_alive=True)
    cycle.task = asyncio.ensure_future(cycle.run())
    cycle.gone()
    await asyncio.wait({cycle.task})
    assert forgotten == [cycle]


async def test_a_field_with_a_line_break_in_it_is_never_sent(connection, door):
    reader, writer = connection
    door.extra = [(b"x", b"1\r\nset-cookie: 2")]
    writer.write(post(b"a"))
    head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 10)
    assert b"set-cookie" not in head
    assert head.startswith(b"HTTP/1.1 500 ")


async def test_a_client_that_wants_no_more_is_let_go(connection):
    reader, writer = connection
    writer.write(post(b"a", b"Connection: close"))
    async with asyncio.timeout(10):
        whole = await reader.read()
    assert b"connection: close\r\n" in whole
    assert whole.endswith(b"\r\n\r\na")


async def test_a_server_that_stops_answers_first_and_says_that_it_was_the_last(server, connection):
    reader, writer = connection
    writer.write(HEAD + b"Content-Length: 3\r\n\r\na")
    await asyncio.sleep(0.05)  # its head is read
    stopping = asyncio.ensure_future(server.stop())
    await asyncio.sleep(0.05)
    writer.write(b"bc")
    async with asyncio.timeout(10):
        whole = await reader.read()
    assert b"connection: close\r\n" in whole
    assert whole.endswith(b"\r\n\r\nabc")
    await stopping


async def test_what_takes_longer_than_the_server_waits_is_told_so(server, connection, door):
    reader, writer = connection
    writer.write(post(b"a", b"X-Do: wait"))
    await asyncio.wait_for(door.begun.wait(), 10)
    await server.stop(1.0)
    status, body = await answer(reader)
    assert (status, json.loads(body)) == (503, {"error": "the server is stopping"})


async def test_an_idle_connection_is_closed_but_not_before_its_time(door, monkeypatch):
    monkeypatch.setattr("server.frontends.http_server.KEEP_ALIVE_S", 1)
    server = HttpServer(app, "127.0.0.1", 0, Closing(grace=1), door=door)
    await server.start()
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    loop = asyncio.get_running_loop()
    for _ in range(3):
        await asyncio.sleep(0.4)
        writer.write(post(b"a"))
        assert (await answer(reader))[0] == 200
    since = loop.time()
    assert await asyncio.wait_for(reader.read(), 10) == b""
    assert loop.time() - since >= 0.9
    await server.stop()


@pytest.mark.parametrize(
    ("declared", "size"),
    [(b"0", 0), (b"65536", 65536), (b"65537", None), (b"99999999", None), (b"-1", None),
     (b"1_0", None), (b"", None), ("²".encode(), None)],
)  # fmt: skip
def test_only_a_plain_and_small_length_counts(declared, size):
    assert body_size({b"content-length": declared}) == size
    assert body_size({}) is None
