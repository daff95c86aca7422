"""Length-prefixed frames: how a message's bytes are cut out of a stream, without any I/O.

    frame = header length (u32 LE) | body length (u64 LE) | header | body

`FrameReader` says where the next bytes should land, so that a large body is received straight
into a buffer of its own and never copied again; small frames are cut out of a shared scratch.
"""

from __future__ import annotations

import struct

from runtimes.contract.hot import At, Place
from runtimes.contract.messages import Message, ProtocolError
from runtimes.contract.tensor import Buffer
from runtimes.contract.wire import decode, encode

_PREFIX = struct.Struct("<IQ")
MAX_HEADER = 4 * 2**20
SCRATCH = 64 * 2**10


def frame(message: Message, place: Place | None = None) -> list[Buffer]:
    """The buffers to write, in order, to send `message`; `place` may put tensors elsewhere."""
    header, body = encode(message, place)
    prefix = _PREFIX.pack(len(header), sum(map(len, body)))
    return [prefix + header, *body]


class FrameReader:
    """Turns received bytes into messages: receive into `buffer()`, then call `received(n)`.

    `share` gives the tensors that lie in shared memory, where there is any.
    """

    def __init__(self, max_body: int = 2**40) -> None:
        self.share: At | None = None
        self._max_body = max_body
        self._scratch = bytearray(SCRATCH)
        self._start = 0
        self._end = 0
        self._header = b""
        self._body: bytearray | None = None
        self._filled = 0

    def buffer(self) -> memoryview:
        """Where the next received bytes belong; never empty."""
        if self._body is not None:
            return memoryview(self._body)[self._filled :]
        if self._end == len(self._scratch):
            self._make_room()
        return memoryview(self._scratch)[self._end :]

    def received(self, count: int) -> list[Message]:
        """Take note of `count` new bytes in `buffer()`; the messages they complete.

        Raises ProtocolError for a frame over the limits or a message out of form.
        """
        if self._body is None:
            self._end += count
            return self._cut()
        self._filled += count
        if self._filled < len(self._body):
            return []
        message = decode(self._header, self._body, self.share)
        self._body = None
        return [message]

    def _cut(self) -> list[Message]:
        messages: list[Message] = []
        view = memoryview(self._scratch)
        while self._end - self._start >= _PREFIX.size:
            header_size, body_size = _PREFIX.unpack_from(self._scratch, self._start)
            if header_size > MAX_HEADER or body_size > self._max_body:
                raise ProtocolError(f"a frame of {header_size} + {body_size} bytes is too large")
            body_start = self._start + _PREFIX.size + header_size
            if body_start > self._end:
                break
            header = bytes(view[self._start + _PREFIX.size : body_start])
            if body_start + body_size > self._end:
                self._await_body(header, body_size, view[body_start : self._end])
                break
            body = bytearray(view[body_start : body_start + body_size])
            self._start = body_start + body_size
            messages.append(decode(header, body, self.share))
        if self._start == self._end:
            self._start = self._end = 0
        return messages

    def _await_body(self, header: bytes, size: int, arrived: memoryview) -> None:
        self._header = header
        self._body = bytearray(size)
        self._filled = len(arrived)
        self._body[: self._filled] = arrived
        self._start = self._end = 0

    def _make_room(self) -> None:
        """Move what is left to the front, or grow for a header larger than the scratch."""
        left = self._end - self._start
        size = len(self._scratch) * (2 if left > len(self._scratch) // 2 else 1)
        # A new scratch rather than a move in place: views of the old one may still be alive.
        fresh = bytearray(size)
        fresh[:left] = self._scratch[self._start : self._end]
        self._scratch, self._start, self._end = fresh, 0, left
