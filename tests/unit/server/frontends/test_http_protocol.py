"""A connection's head is bounded in size and in time, and refusals have the one shape of errors."""

from __future__ import annotations

import asyncio
import json

import pytest

from server.frontends import http_protocol
from server.frontends.closing import Closing
from server.frontends.http_protocol import MAX_HEAD_BYTES
from server.frontends.http_server import HttpServer

HEAD = b"GET / HTTP/1.1\r\nHost: test\r\n"


async def app(scope, receive, send):
    """Answers once the body is there, with its length."""
    size, more = 0, True
    while more:
        message = await receive()
        size += len(message.get("body", b""))
        more = message.get("more_body", False)
    if scope["path"] == "/slow":
        await asyncio.sleep(0.3)
    body = str(size).encode()
    headers = [(b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


@pytest.fixture
async def connection():
    server = HttpServer(app, "127.0.0.1", 0, Closing(grace=1))
    await server.start()
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    yield reader, writer
    writer.close()
    await server.stop()


async def answer(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    async with asyncio.timeout(10):
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        length = int(head.partition(b"content-length: ")[2].partition(b"\r\n")[0])
        return int(head.split()[1]), await reader.readexactly(length)


async def send_paced(writer: asyncio.StreamWriter, data: bytes, step: int = 8192) -> None:
    """In several reads of the server's, up to where it closes."""
    for start in range(0, len(data), step):
        writer.write(data[start : start + step])
        await writer.drain()
        await asyncio.sleep(0.001)


async def test_a_good_request_is_answered_and_the_connection_kept(connection):
    reader, writer = connection
    for _ in range(2):
        writer.write(HEAD + b"Content-Length: 3\r\n\r\nabc")
        assert await answer(reader) == (200, b"3")


@pytest.mark.parametrize(
    ("complete", "begun"),
    [
        (b"", HEAD + b"X: "),
        (b"", HEAD),
        (b"", b"GET /"),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"0\r\nX: "),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"1;"),
    ],
    ids=["a header's value", "a header's name", "a path", "a trailer", "a chunk's extension"],
)
async def test_what_has_no_end_is_refused(connection, complete, begun):
    reader, writer = connection
    writer.write(complete)
    await writer.drain()
    await asyncio.sleep(0.02)
    # Just over the bound, so that nothing is left unread, which would reset the connection.
    await send_paced(writer, begun + b"a" * MAX_HEAD_BYTES)
    status, body = await answer(reader)
    assert status == 431
    assert str(MAX_HEAD_BYTES) in json.loads(body)["error"]
    assert await reader.read() == b""


async def test_a_body_is_not_counted_as_a_head(connection):
    reader, writer = connection
    size = 4 * MAX_HEAD_BYTES
    writer.write(HEAD + b"Content-Length: %d\r\n\r\n" % size)
    await send_paced(writer, bytes(size))
    assert await answer(reader) == (200, str(size).encode())


async def test_many_chunks_are_not_counted_as_a_head(connection):
    reader, writer = connection
    writer.write(HEAD + b"Transfer-Encoding: chunked\r\n\r\n")
    await send_paced(writer, b"1\r\nx\r\n" * 30_000 + b"0\r\n\r\n")
    assert await answer(reader) == (200, b"30000")


async def test_what_is_no_http_is_refused_in_the_shape_of_all_errors(connection):
    reader, writer = connection
    writer.write(b"\x16\x03\x01 garbage\r\n\r\n")
    status, body = await answer(reader)
    assert (status, json.loads(body)) == (400, {"error": "the request is not valid HTTP/1.1"})
    assert await reader.read() == b""


@pytest.mark.parametrize("sent", [b"", b"G", HEAD, b"\r\n\r\n"])
async def test_a_head_that_does_not_come_is_not_waited_for(monkeypatch, sent):
    monkeypatch.setattr(http_protocol, "HEAD_TIMEOUT", 0.05)
    server = HttpServer(app, "127.0.0.1", 0, Closing(grace=1))
    await server.start()
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(sent)
    status, body = await answer(reader)
    assert status == 408
    assert "no complete request headers" in json.loads(body)["error"]
    assert await reader.read() == b""
    writer.close()
    await server.stop()


async def test_a_slow_answer_is_not_cut_off_by_the_next_requests_slow_head(monkeypatch):
    monkeypatch.setattr(http_protocol, "HEAD_TIMEOUT", 0.05)
    server = HttpServer(app, "127.0.0.1", 0, Closing(grace=1))
    await server.start()
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(HEAD.replace(b"/ ", b"/slow ") + b"\r\n" + HEAD)
    assert await answer(reader) == (200, b"0")
    assert (await answer(reader))[0] == 408
    writer.close()
    await server.stop()


async def test_pipelined_requests_with_bodies_are_all_answered_in_order(connection):
    reader, writer = connection
    sizes = [0, 300_000, 1, 70_000, 0, 5] * 5
    requests = [HEAD + b"Content-Length: %d\r\n\r\n" % size + bytes(size) for size in sizes]
    writer.write(b"".join(requests))
    assert [await answer(reader) for _ in sizes] == [(200, str(size).encode()) for size in sizes]


async def test_a_flood_of_pipelined_requests_is_not_read_ahead_of_its_answers(monkeypatch):
    protocols = []
    made = http_protocol.BoundedProtocol.connection_made

    def noted(self, transport):
        protocols.append(self)
        made(self, transport)

    monkeypatch.setattr(http_protocol.BoundedProtocol, "connection_made", noted)
    server = HttpServer(app, "127.0.0.1", 0, Closing(grace=1))
    await server.start()
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    request = HEAD + b"\r\n"
    count = 60_000  # several reads, each of some thousands
    writer.write(request * count)
    most = 0
    for _ in range(count):
        await answer(reader)
        most = max(most, len(protocols[0].pipeline))
    assert 0 < most <= 2 * 2**18 // len(request)
    writer.close()
    await server.stop()


@pytest.mark.parametrize("size", [1, 70_000, 3_000_000])
async def test_a_body_that_comes_in_many_reads_is_handed_on_whole(size):
    async def echo(scope, receive, send):
        await asyncio.sleep(0.01)  # several reads are gathered before the first is taken
        parts, more = [], True
        while more:
            message = await receive()
            assert type(message["body"]) is bytes
            parts.append(message["body"])
            more = message["more_body"]
        body = b"".join(parts)
        headers = [(b"content-length", b"%d" % len(body))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    server = HttpServer(echo, "127.0.0.1", 0, Closing(grace=1))
    await server.start()
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port, limit=2**23)
    body = bytes(range(256)) * (size // 256) + b"x" * (size % 256)
    for _ in range(2):
        writer.write(HEAD + b"Content-Length: %d\r\n\r\n" % size)
        await send_paced(writer, body, 50_000)
        assert await answer(reader) == (200, body)
    writer.close()
    await server.stop()
