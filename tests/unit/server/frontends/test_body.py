"""A body is read whole, bounded, and decompressed within the same bound."""

from __future__ import annotations

import gzip
import tracemalloc
import zlib

import pytest
from starlette.requests import Request

from server.errors import Cancelled, InvalidArgument, TooLarge
from server.frontends.body import UnsupportedEncoding, read_body

LIMIT = 1000


class Chunks:
    """A request's `receive` that hands out `chunks`, and how many of them were taken."""

    def __init__(self, *chunks: bytes, cut: bool = False) -> None:
        self._messages: list[dict] = [
            {"type": "http.request", "body": chunk, "more_body": True} for chunk in chunks
        ]
        self._messages.append(
            {"type": "http.disconnect"} if cut else {"type": "http.request", "more_body": False}
        )
        self.taken = 0

    async def receive(self) -> dict:
        self.taken += 1
        return self._messages.pop(0)


def request(chunks: Chunks, **headers: str) -> Request:
    raw = [(k.replace("_", "-").encode(), v.encode()) for k, v in headers.items()]
    return Request({"type": "http", "method": "POST", "headers": raw}, chunks.receive)


@pytest.mark.parametrize(
    "chunks", [(), (b"abc",), (b"a", b"bc"), (b"", b"a", b"", b"b", b"c")], ids=range(4)
)
async def test_chunks_are_joined(chunks):
    assert await read_body(request(Chunks(*chunks)), LIMIT) == b"".join(chunks)


async def test_a_body_of_exactly_the_limit_is_read():
    assert len(await read_body(request(Chunks(b"x" * LIMIT)), LIMIT)) == LIMIT


async def test_a_declared_length_over_the_limit_is_refused_before_reading():
    chunks = Chunks(b"x")
    with pytest.raises(TooLarge, match="--max-message-bytes"):
        await read_body(request(chunks, content_length=str(LIMIT + 1)), LIMIT)
    with pytest.raises(TooLarge):
        await read_body(request(chunks, content_length="9" * 5000), LIMIT)
    assert chunks.taken == 0


async def test_a_stream_over_the_limit_is_refused_as_soon_as_it_is():
    chunks = Chunks(*[b"x" * 600] * 5)
    with pytest.raises(TooLarge, match=r"max_message_bytes \(1000 bytes\)"):
        await read_body(request(chunks), LIMIT)
    assert chunks.taken == 2


async def test_a_client_that_leaves_while_sending_is_cancelled():
    with pytest.raises(Cancelled):
        await read_body(request(Chunks(b"x", cut=True)), LIMIT)


@pytest.mark.parametrize("size", [1, 7, 10_000])
@pytest.mark.parametrize(
    ("encoding", "pack"), [("gzip", gzip.compress), ("deflate", zlib.compress)]
)
async def test_compressed_bodies_are_read_in_chunks_of_any_size(encoding, pack, size):
    body = bytes(range(256)) * 3
    packed = pack(body)
    chunks = Chunks(*(packed[i : i + size] for i in range(0, len(packed), size)))
    assert await read_body(request(chunks, content_encoding=encoding), LIMIT) == body


@pytest.mark.parametrize("encoding", ["GZIP", " gzip "])
async def test_the_encoding_is_read_loosely(encoding):
    packed = gzip.compress(b"a")
    assert await read_body(request(Chunks(packed), content_encoding=encoding), LIMIT) == b"a"


async def test_identity_is_no_encoding():
    assert await read_body(request(Chunks(b"a"), content_encoding="identity"), LIMIT) == b"a"


@pytest.mark.parametrize("encoding", ["br", "zstd", "gzip, deflate", "x" * 500])
async def test_other_encodings_are_not_offered(encoding):
    with pytest.raises(UnsupportedEncoding, match="expected gzip, deflate or none"):
        await read_body(request(Chunks(b"a"), content_encoding=encoding), LIMIT)


@pytest.mark.parametrize("extra", [0, 1])
async def test_the_limit_holds_for_what_comes_out(extra):
    chunks = Chunks(gzip.compress(b"\0" * (LIMIT + extra)))
    reading = read_body(request(chunks, content_encoding="gzip"), LIMIT)
    if extra:
        with pytest.raises(TooLarge):
            await reading
    else:
        assert await reading == b"\0" * LIMIT


async def test_a_bomb_is_stopped_at_the_limit_and_never_unpacked():
    bomb = gzip.compress(b"\0" * 200 * 2**20, 9)
    limit = 4 * 2**20
    tracemalloc.start()
    try:
        with pytest.raises(TooLarge):
            await read_body(request(Chunks(bomb), content_encoding="gzip"), limit)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 5 * limit


@pytest.mark.parametrize(
    ("encoding", "body", "text"),
    [
        ("gzip", b"no gzip at all", "not valid gzip"),
        ("deflate", gzip.compress(b"a", mtime=0), "not valid deflate"),
        ("gzip", gzip.compress(b"abc" * 100, mtime=0)[:-9], "truncated"),
        ("gzip", b"", "truncated"),
        ("gzip", gzip.compress(b"a", mtime=0) + b"more", "bytes follow the end"),
        ("gzip", gzip.compress(b"a", mtime=0)[:-8] + b"\0" * 8, "not valid gzip"),
    ],
)
async def test_a_broken_stream_is_refused(encoding, body, text):
    with pytest.raises(InvalidArgument, match=text):
        await read_body(request(Chunks(body), content_encoding=encoding), LIMIT)


async def test_bytes_after_the_end_are_refused_also_in_a_chunk_of_their_own():
    chunks = Chunks(gzip.compress(b"a"), b"more")
    with pytest.raises(InvalidArgument, match="bytes follow the end"):
        await read_body(request(chunks, content_encoding="gzip"), LIMIT)
