"""gRPC's framing of messages in a body: a flag, four bytes of length, the message; see gRPC's
`PROTOCOL-HTTP2.md`.
"""

from __future__ import annotations

import struct
from collections.abc import AsyncIterator
from typing import NamedTuple

from starlette.types import Message

from server.errors import InvalidArgument, TooLarge, Unsupported
from server.frontends.body import WINDOW_BITS, inflated
from server.frontends.limits import too_large_message

_PREFIX = struct.Struct(">BI")
# Chunks kept apart until they are joined once; beyond, a flood of tiny ones would cost more than
# their bytes.
_MAX_CHUNKS = 64

ACCEPTED = ("identity", *WINDOW_BITS)
"""The message encodings that are read."""


class Frame(NamedTuple):
    """One message as it travelled."""

    packed: bool
    payload: bytes


def plain_message(event: Message, max_bytes: int) -> bytes | None:
    """The message of a call whose whole body came in one `event`: what most calls are.

    None where it is something else, be it an error.
    """
    body: bytes = event.get("body", b"")
    if event.get("more_body", True) or len(body) < _PREFIX.size:
        return None
    flag, length = _PREFIX.unpack_from(body)
    if flag or length != len(body) - _PREFIX.size or length > max_bytes:
        return None
    return body[_PREFIX.size :]


class Frames:
    """Cuts what arrives of a call into messages of at most `max_bytes`, which is enforced when a
    message's length is known, not when it is there.
    """

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._parts: list[bytes | bytearray] = []
        self._size = 0
        self._wanted = _PREFIX.size

    def feed(self, chunk: bytes) -> list[Frame]:
        """The messages that `chunk` completes. Raises TooLarge, or InvalidArgument for a flag that
        is none.
        """
        if not chunk:
            return []
        if len(self._parts) < _MAX_CHUNKS:
            self._parts.append(chunk)
        elif len(self._parts) == _MAX_CHUNKS:
            self._parts.append(bytearray(chunk))
        else:
            self._parts[-1] += chunk
        self._size += len(chunk)
        if self._size < self._wanted:
            return []
        return self._cut()

    def finish(self) -> None:
        """The body has ended. Raises InvalidArgument within a message."""
        if self._size:
            raise InvalidArgument("the call's last message is truncated")

    def _cut(self) -> list[Frame]:
        if len(self._parts) > 1 and self._wanted == self._size > _PREFIX.size:
            return [self._only()]
        data = self._parts[0] if len(self._parts) == 1 else b"".join(self._parts)
        frames, start = [], 0
        while (left := len(data) - start) >= _PREFIX.size:
            packed, length = self._prefix(data, start)
            if left < _PREFIX.size + length:
                self._wanted = _PREFIX.size + length
                break
            start += _PREFIX.size
            frames.append(Frame(packed, bytes(data[start : start + length])))
            start += length
        else:
            self._wanted = _PREFIX.size
        self._parts = [data[start:]] if left else []
        self._size = left
        return frames

    def _only(self) -> Frame:
        """One message in many chunks, which is copied once."""
        first = self._parts[0]  # holds the prefix, or the length would not be known
        packed, _ = self._prefix(first, 0)
        payload = b"".join([memoryview(first)[_PREFIX.size :], *self._parts[1:]])
        self._parts, self._size, self._wanted = [], 0, _PREFIX.size
        return Frame(packed, payload)

    def _prefix(self, data: bytes | bytearray, start: int) -> tuple[bool, int]:
        flag, length = _PREFIX.unpack_from(data, start)
        if flag > 1:
            raise InvalidArgument(f"a message begins with flag {flag}; expected 0 or 1")
        if length > self._max_bytes:
            raise TooLarge(too_large_message(self._max_bytes))
        return bool(flag), length


def check_encoding(encoding: str) -> None:
    """Raises Unsupported unless messages in `encoding` ("" for none) can be read."""
    if encoding and encoding not in ACCEPTED:
        raise Unsupported(
            f"unsupported grpc-encoding '{encoding[:32]}'; expected one of {', '.join(ACCEPTED)}"
        )


async def unpacked(frame: Frame, encoding: str, max_bytes: int) -> bytes:
    """The message in `frame`. Raises TooLarge, or InvalidArgument for what does not unpack."""
    if not frame.packed:
        return frame.payload
    if encoding not in WINDOW_BITS:
        raise InvalidArgument("a message is marked as compressed, but grpc-encoding names no way")
    return bytes(await inflated(_once(frame.payload), encoding, max_bytes))


async def _once(payload: bytes) -> AsyncIterator[bytes]:
    yield payload


def framed(message: bytes) -> bytes:
    """`message`, uncompressed, with its prefix."""
    return _PREFIX.pack(0, len(message)) + message
