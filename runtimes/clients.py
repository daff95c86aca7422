"""Who asks a worker: each frontend has a socket of its own, read in a thread of its own."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
import traceback
from collections.abc import Iterator, Sequence

from runtimes.batching.queue import BatchQueue, QueueFull
from runtimes.contract.codes import Code
from runtimes.contract.frames import FrameReader, frame
from runtimes.contract.messages import Cancel, Failed, Infer, Message, ProtocolError
from runtimes.contract.tensor import Buffer

CANCELLED = "cancelled by the client"
MAX_BUFFERS = 512  # below the kernel's limit on buffers in one sendmsg
PATIENCE = struct.pack("@ll", 2, 0)
"""Two seconds, as a timeval, in which a frontend must take up what it is answered."""


class Outbox:
    """Writes messages whole, whichever thread they come from."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._lock = threading.Lock()
        self._closed = False

    def send(self, *messages: Message) -> None:
        """Write messages one after another; nothing happens where nobody is there any more."""
        buffers = [buffer for message in messages for buffer in frame(message)]
        # Whoever is gone is noticed by the reader; there is nobody to tell.
        with self._lock, contextlib.suppress(BrokenPipeError, ConnectionResetError):
            if self._closed:
                return
            try:
                for start in range(0, len(buffers), MAX_BUFFERS):
                    self._write(buffers[start : start + MAX_BUFFERS])
            except BlockingIOError:
                # It does not read, and others wait; its end of file tells it, and the reader.
                self._sock.shutdown(socket.SHUT_RDWR)

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
                if not isinstance(message, Infer | Cancel):
                    raise ProtocolError(f"unexpected {type(message).__name__}")
                self.received(message)
        except Exception:
            traceback.print_exc()
        self._queue.drop(self)
        self.outbox.close()

    def _messages(self) -> Iterator[Message]:
        reader = FrameReader()
        with contextlib.suppress(ConnectionResetError):
            while count := self._sock.recv_into(reader.buffer()):
                yield from reader.received(count)
