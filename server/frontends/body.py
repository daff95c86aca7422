"""Reading a request's body: bounded while it arrives and bounded while it is decompressed."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import AsyncIterator, Mapping

from starlette.requests import Request
from starlette.types import Message, Receive

from server.errors import Cancelled, InvalidArgument, TooLarge, Unsupported
from server.frontends.limits import too_large_message

# zlib's window bits: 16 more means "with a gzip header", without it "with a zlib header".
WINDOW_BITS: Mapping[str, int] = {"gzip": zlib.MAX_WBITS | 16, "deflate": zlib.MAX_WBITS}

_STEP = 2**20


class UnsupportedEncoding(Unsupported):
    """The body's Content-Encoding is none of ours; the answer lists those that are."""


# Chunks kept apart until they are joined once; beyond, a flood of tiny ones would cost more than
# their bytes.
_MAX_CHUNKS = 64


async def read_body(request: Request, max_bytes: int) -> bytes | bytearray:
    """The whole body of a framework's `request`; see `receive_body`."""
    given = request.headers
    encoding, declared = given.get("content-encoding", ""), given.get("content-length", "")
    return await receive_body(request.receive, encoding, declared, max_bytes)


async def receive_body(
    receive: Receive, encoding: str, declared: str, max_bytes: int
) -> bytes | bytearray:
    """A request's whole body, decompressed; `encoding` and `declared` are its headers
    Content-Encoding and Content-Length, "" where absent.

    Raises TooLarge over `max_bytes` (on the wire or decompressed), UnsupportedEncoding,
    InvalidArgument for a broken compressed stream, Cancelled when the client goes away.
    """
    if encoding and (encoding := encoding.strip().lower()) not in ("", "identity", *WINDOW_BITS):
        raise UnsupportedEncoding(
            f"unsupported Content-Encoding '{encoding[:32]}'; expected gzip, deflate or none"
        )
    if declared.isdecimal() and (len(declared) > 18 or int(declared) > max_bytes):
        raise TooLarge(too_large_message(max_bytes))
    if encoding in WINDOW_BITS:
        return await inflated(_bounded(receive, max_bytes), encoding, max_bytes)
    chunk, more = _chunk(await receive())
    if more:
        return await _joined(chunk, receive, max_bytes)
    if len(chunk) > max_bytes:
        raise TooLarge(too_large_message(max_bytes))
    return chunk


async def _bounded(receive: Receive, max_bytes: int) -> AsyncIterator[bytes]:
    received, more = 0, True
    while more:
        chunk, more = _chunk(await receive())
        received += len(chunk)
        if received > max_bytes:
            raise TooLarge(too_large_message(max_bytes))
        if chunk:
            yield chunk


def _chunk(message: Message) -> tuple[bytes, bool]:
    """What a message brings of the body, and whether there is more."""
    if message["type"] == "http.disconnect":
        raise Cancelled("the client went away before its request was complete")
    return message.get("body", b""), message.get("more_body", False)


async def _joined(first: bytes, receive: Receive, max_bytes: int) -> bytes | bytearray:
    """A body of several chunks, joined once."""
    chunks, size, more = [first], len(first), True
    while more and size <= max_bytes and len(chunks) < _MAX_CHUNKS:
        chunk, more = _chunk(await receive())
        chunks.append(chunk)
        size += len(chunk)
    body: bytes | bytearray = b"".join(chunks) if not more else bytearray().join(chunks)
    while more and size <= max_bytes:
        chunk, more = _chunk(await receive())
        body += chunk
        size += len(chunk)
    if size > max_bytes:
        raise TooLarge(too_large_message(max_bytes))
    return body


async def inflated(chunks: AsyncIterator[bytes], encoding: str, max_bytes: int) -> bytearray:
    """`chunks` decompressed; `encoding` is gzip or deflate.

    Raises TooLarge over `max_bytes`, InvalidArgument for what is broken, truncated or too long.
    """
    inflater = zlib.decompressobj(WINDOW_BITS[encoding])
    body = bytearray()
    async for chunk in chunks:
        pending = chunk
        while pending:
            body += _inflate(inflater, pending, min(_STEP, max_bytes - len(body) + 1), encoding)
            if len(body) > max_bytes:
                raise TooLarge(too_large_message(max_bytes))
            if inflater.unused_data:
                raise InvalidArgument(f"bytes follow the end of the {encoding} body")
            pending = inflater.unconsumed_tail
            if pending:
                await asyncio.sleep(0)  # a bomb must not hold up everyone else's requests
    if not inflater.eof:
        raise InvalidArgument(f"the {encoding} body is truncated")
    return body


def _inflate(inflater: zlib._Decompress, data: bytes, max_length: int, encoding: str) -> bytes:
    try:
        return inflater.decompress(data, max_length)
    except zlib.error:
        raise InvalidArgument(f"the body is not valid {encoding} data") from None
