"""Who asks a worker: each frontend has a socket of its own, read in a thread of its own."""

from __future__ import annotations

import array
import contextlib
import mmap
import os
import socket
import struct
import threading
import traceback
from collections.abc import Iterator, Sequence

from runtimes.batching.queue import BatchQueue, QueueFull
from runtimes.contract.codes import Code
from runtimes.contract.frames import FrameReader, frame
from runtimes.contract.messages import (
    Cancel,
    Failed,
    Infer,
    Message,
    ProtocolError,
    Result,
    Share,
    Taken,
)
from runtimes.contract.shared import SharedMemory
from runtimes.contract.tensor import Buffer

CANCELLED = "cancelled by the client"
MAX_BUFFERS = 512  # below the kernel's limit on buffers in one sendmsg
PATIENCE = struct.pack("@ll", 2, 0)
"""Two seconds, as a timeval, in which a frontend must take up what it is answered."""


class Outbox:
    """Writes messages whole, whichever thread they come from."""

    def __init__(self, sock: socket.socket) -> None:
        self.memory: SharedMemory | None = None
        self._sock = sock
        self._lock = threading.Lock()
        self._closed = False

    def send(self, *messages: Message) -> None:
        """Write messages one after another; nothing happens where nobody is there any more."""
        # Whoever is gone is noticed by the reader; there is nobody to tell.
        with self._lock, contextlib.suppress(BrokenPipeError, ConnectionResetError):
            if self._closed:
                return
            buffers = [buffer for message in messages for buffer in self._frame(message)]
            try:
                for start in range(0, len(buffers), MAX_BUFFERS):
                    self._write(buffers[start : start + MAX_BUFFERS])
            except BlockingIOError:
                # It does not read, and others wait; its end of file tells it, and the reader.
                self._sock.shutdown(socket.SHUT_RDWR)

    def release(self, request_id: int) -> None:
        """The answer has been taken out of the shared memory."""
        with self._lock:
            if self.memory is not None:
                self.memory.release(request_id)

    def _frame(self, message: Message) -> list[Buffer]:
        if self.memory is None or not isinstance(message, Result):
            return frame(message)
        buffers = frame(message, self.memory.place)
        self.memory.hold(message.id)
        return buffers

    def close(self) -> None:
        """Write nothing more, and never stop in the middle of a message."""
        with self._lock:
            self._closed = True
            self._sock.close()

    def _write(self, buffers: Sequence[Buffer]) -> None:
        sent = self._sock.sendmsg(buffers)
        left = sum(map(len, buffers)) - sent
        if not left:
            return
        views = [memoryview(buffer) for buffer in buffers]
        while views:
            while views and sent >= len(views[0]):
                sent -= len(views.pop(0))
            if sent:
                views[0] = views[0][sent:]
            if views:
                sent = self._sock.sendmsg(views)


class Client:
    """One frontend: its requests go into the queue, its answers through `outbox`."""

    def __init__(self, sock: socket.socket, outbox: Outbox, queue: BatchQueue) -> None:
        self.outbox = outbox
        self._sock = sock
        self._queue = queue

    @classmethod
    def serve(cls, sock: socket.socket, queue: BatchQueue) -> None:
        """Answer who is at the other end of `sock`, until its end of file."""
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, PATIENCE)
        client = cls(sock, Outbox(sock), queue)
        threading.Thread(target=client._read, daemon=True, name="client").start()

    def received(self, message: Infer | Cancel) -> None:
        """Take one message."""
        if isinstance(message, Infer):
            try:
                self._queue.put(message, self)
            except QueueFull as full:
                self.outbox.send(Failed(message.id, Code.OVERLOADED, str(full)))
        elif self._queue.cancel(message.id, self):
            self.outbox.send(Failed(message.id, Code.CANCELLED, CANCELLED))

    def _read(self) -> None:
        try:
            for message in self._messages():
                match message:
                    case Infer() | Cancel():
                        self.received(message)
                    case Taken(id=request_id):
                        self.outbox.release(request_id)
                    case _:
                        raise ProtocolError(f"unexpected {type(message).__name__}")
        except Exception:
            traceback.print_exc()
        self._queue.drop(self)
        self.outbox.close()

    def _messages(self) -> Iterator[Message]:
        reader = FrameReader()
        with contextlib.suppress(ConnectionResetError):
            yield from self._first(reader)
            while count := self._sock.recv_into(reader.buffer()):
                yield from reader.received(count)

    def _first(self, reader: FrameReader) -> list[Message]:
        """What comes first, which may be memory to share."""
        space = socket.CMSG_SPACE(array.array("i").itemsize)
        count, ancillary, _, _ = self._sock.recvmsg_into(
            [reader.buffer()], space, socket.MSG_CMSG_CLOEXEC
        )
        messages = reader.received(count) if count else []
        if not ancillary:
            return messages
        (descriptor,) = array.array("i", ancillary[0][2])
        memory = mmap.mmap(descriptor, 0)
        os.close(descriptor)
        self.outbox.memory = SharedMemory(memoryview(memory), first=False)
        reader.share = self.outbox.memory.view
        return [message for message in messages if not isinstance(message, Share)]
