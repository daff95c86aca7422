"""A message channel over a unix socket that can also carry descriptors; no pickle, all bounded.

    frame = length (u32 LE) | sockets (u8) | msgpack

A frame's descriptors travel with its first bytes, so they are there when the frame is complete.
"""

from __future__ import annotations

import array
import asyncio
import os
import socket
import struct
from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

import msgspec
import structlog

log = structlog.get_logger()

MAX_FRAME = 64 * 2**20
MAX_UNSENT = 128 * 2**20
"""Bytes that may wait for a peer that does not read; it is cut off beyond."""

MAX_SOCKETS = 64
"""Descriptors that may have come without the frames they belong to."""

_PREFIX = struct.Struct("<IB")
_READ = 256 * 2**10
_FDS_SPACE = socket.CMSG_SPACE(MAX_SOCKETS * array.array("i").itemsize)

Incoming = TypeVar("Incoming")


class Channel(Generic[Incoming]):
    """One end of a connection; messages of type `Incoming` come in, any Struct goes out.

    `received` is called per message, with the socket that came with it; `lost` once, when the
    connection has ended for whatever reason, but not after `close`.
    """

    def __init__(
        self,
        sock: socket.socket,
        decoder: msgspec.msgpack.Decoder[Incoming],
        received: Callable[[Incoming, socket.socket | None], None],
        lost: Callable[[], None],
    ) -> None:
        sock.setblocking(False)
        self._sock = sock
        self._decoder = decoder
        self._encoder = msgspec.msgpack.Encoder()
        self._received = received
        self._lost = lost
        self._loop = asyncio.get_running_loop()
        self._unread = bytearray()
        self._fds: deque[int] = deque()
        self._unsent: deque[tuple[memoryview, socket.socket | None]] = deque()
        self._unsent_bytes = 0
        self._closed = False
        self._loop.add_reader(sock, self._readable)

    @property
    def is_closed(self) -> bool:
        """True once nothing can be sent any more."""
        return self._closed

    def send(self, message: msgspec.Struct, sock: socket.socket | None = None) -> None:
        """Send, with `sock` given away. What cannot be sent any more is dropped."""
        if self._closed:
            if sock is not None:
                sock.close()
            return
        payload = self._encoder.encode(message)
        if len(payload) > MAX_FRAME:
            raise ValueError(f"a message of {len(payload)} bytes is too large. This is a bug.")
        data = _PREFIX.pack(len(payload), sock is not None) + payload
        self._unsent.append((memoryview(data), sock))
        self._unsent_bytes += len(data)
        if len(self._unsent) == 1:
            self._write()
        elif self._unsent_bytes > MAX_UNSENT:
            log.error("a frontend's channel is cut off: its peer does not read")
            self._end()

    async def flushed(self, seconds: float) -> None:
        """Return when all is sent, the connection has ended, or the time is over."""
        until = self._loop.time() + seconds
        while self._unsent and not self._closed and self._loop.time() < until:
            await asyncio.sleep(0.005)

    def close(self) -> None:
        """End the connection; `lost` is not called."""
        if self._closed:
            return
        self._closed = True
        self._loop.remove_reader(self._sock)
        self._loop.remove_writer(self._sock)
        self._sock.close()
        for _, sock in self._unsent:
            if sock is not None:
                sock.close()
        self._unsent.clear()
        while self._fds:
            os.close(self._fds.popleft())

    # ---- called by the event loop --------------------------------------------------------------

    def _write(self) -> None:
        try:
            while self._unsent:
                data, sock = self._unsent[0]
                sent = self._send_some(data, sock)
                self._unsent_bytes -= sent
                if sock is not None:
                    sock.close()
                if sent < len(data):
                    self._unsent[0] = (data[sent:], None)
                else:
                    self._unsent.popleft()
        except BlockingIOError:
            self._loop.add_writer(self._sock, self._write)
            return
        except OSError:
            self._end()
            return
        self._loop.remove_writer(self._sock)

    def _send_some(self, data: memoryview, sock: socket.socket | None) -> int:
        if sock is None:
            return self._sock.send(data)
        return socket.send_fds(self._sock, [data], [sock.fileno()])

    def _readable(self) -> None:
        try:
            data, ancillary, flags, _ = self._sock.recvmsg(
                _READ, _FDS_SPACE, socket.MSG_CMSG_CLOEXEC
            )
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            data, ancillary, flags = b"", [], 0
        for level, kind, content in ancillary:
            if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
                fds = array.array("i")
                fds.frombytes(content[: len(content) - len(content) % fds.itemsize])
                self._fds.extend(fds)
        if not data or flags & socket.MSG_CTRUNC or len(self._fds) > MAX_SOCKETS:
            self._end()
            return
        self._unread += data
        try:
            self._cut()
        except (msgspec.MsgspecError, ValueError) as error:
            log.error("a frontend's channel broke the protocol", reason=str(error))
            self._end()
        except Exception:
            # What comes after it must not be taken up as if it had been.
            log.exception("a message could not be taken up. This is a bug.")
            self._end()

    def _cut(self) -> None:
        start = 0
        while not self._closed and len(self._unread) - start >= _PREFIX.size:
            size, sockets = _PREFIX.unpack_from(self._unread, start)
            if size > MAX_FRAME or sockets > len(self._fds):
                raise ValueError(f"a frame of {size} bytes with {sockets} sockets")
            end = start + _PREFIX.size + size
            if end > len(self._unread):
                break
            message = self._decoder.decode(bytes(self._unread[start + _PREFIX.size : end]))
            sock = socket.socket(fileno=self._fds.popleft()) if sockets else None
            start = end
            self._received(message, sock)
        del self._unread[:start]

    def _end(self) -> None:
        if not self._closed:
            self.close()
            self._lost()
