"""Reading a request's body: bounded while it arrives and bounded while it is decompressed."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import AsyncIterator, Mapping

from starlette.requests import Request
from starlette.types import Receive

from server.errors import Cancelled, InvalidArgument, TooLarge, Unsupported
from server.frontends.limits import too_large_message

# zlib's window bits: 16 more means "with a gzip header", without it "with a zlib header".
WINDOW_BITS: Mapping[str, int] = {"gzip": zlib.MAX_WBITS | 16, "deflate": zlib.MAX_WBITS}

_STEP = 2**20


class UnsupportedEncoding(Unsupported):
    """The body's Content-Encoding is none of ours; the answer lists those that are."""


async def read_body(request: Request, max_bytes: int) -> bytes | bytearray:
    """The request's whole body, decompressed.

    Raises TooLarge over `max_bytes` (on the wire or decompressed), UnsupportedEncoding,
    InvalidArgument for a broken compressed stream, Cancelled when the client goes away.
    """
    encoding = request.headers.get("content-encoding", "").strip().lower()
    if encoding not in ("", "identity") and encoding not in WINDOW_BITS:
        raise UnsupportedEncoding(
            f"unsupported Content-Encoding '{encoding[:32]}'; expected gzip, deflate or none"
        )
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and (len(declared) > 18 or int(declared) > max_bytes):
        raise TooLarge(too_large_message(max_bytes))
    chunks = _bounded(request.receive, max_bytes)
    if encoding in WINDOW_BITS:
        return await _inflated(chunks, encoding, max_bytes)
    return await _joined(chunks)


async def _bounded(receive: Receive, max_bytes: int) -> AsyncIterator[bytes]:
    received = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Cancelled("the client went away before its request was complete")
        chunk: bytes = message.get("body", b"")
        received += len(chunk)
        if received > max_bytes:
            raise TooLarge(too_large_message(max_bytes))
        if chunk:
            yield chunk
        if not message.get("more_body", False):
            return


async def _joined(chunks: AsyncIterator[bytes]) -> bytes | bytearray:
    """One chunk as it came; several in one growing buffer, so that a flood of tiny ones costs no
    more than their bytes.
    """
    first: bytes = b""
    joined: bytearray | None = None
    async for chunk in chunks:
        if joined is not None:
            joined += chunk
        elif first:
            joined = bytearray(first)
            joined += chunk
        else:
            first = chunk
    return first if joined is None else joined


async def _inflated(chunks: AsyncIterator[bytes], encoding: str, max_bytes: int) -> bytearray:
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
