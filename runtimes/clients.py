"""The sockets on which a worker is asked, and who sent which request.

Ids are chosen by whoever asks, and so may be the same on two sockets; in the worker each request
has a number of its own.
"""

from __future__ import annotations

import contextlib
import itertools
import socket
import threading
import traceback
from collections.abc import Callable, Iterator
from dataclasses import replace

from runtimes.batching.queue import BatchQueue, QueueFull
from runtimes.contract.codes import Code
from runtimes.contract.frames import FrameReader
from runtimes.contract.messages import Cancel, Failed, Infer, Message, ProtocolError, Result

CANCELLED = "cancelled by the client"

Send = Callable[[Message], None]


class Clients:
    """Requests under their own numbers, with the socket and the id each came with."""

    def __init__(self) -> None:
        self._numbers = itertools.count(1)
        self._asked: dict[int, tuple[Send, int]] = {}
        self._lock = threading.Lock()

    def add(self, send: Send, request: Infer) -> Infer:
        """The request under its number in this worker."""
        number = next(self._numbers)
        with self._lock:
            self._asked[number] = (send, request.id)
        return replace(request, id=number)

    def put(self, queue: BatchQueue, send: Send, request: Infer) -> None:
        """Let `request` wait in `queue`, or end it at once where that is full."""
        added = self.add(send, request)
        try:
            queue.put(added)
        except QueueFull as full:
            self.end(Failed(added.id, Code.OVERLOADED, str(full)))

    def numbers(self, send: Send, request_id: int | None = None) -> list[int]:
        """The numbers of what came from there and has not ended: of that id, or all."""
        with self._lock:
            return [
                number for number, (there, id_) in self._asked.items()
                if there == send and request_id in (None, id_)
            ]  # fmt: skip

    def end(self, ending: Result | Failed) -> None:
        """Send an ending to whoever asked."""
        with self._lock:
            send, request_id = self._asked.pop(ending.id)
        send(replace(ending, id=request_id))

    def cancel(self, queue: BatchQueue, send: Send, request_id: int | None = None) -> None:
        """End what is still waiting of that id, or of all that came from there."""
        for number in self.numbers(send, request_id):
            if queue.cancel(number):
                self.end(Failed(number, Code.CANCELLED, CANCELLED))


def serve(
    sock: socket.socket,
    send: Send,
    close: Callable[[], None],
    queue: BatchQueue,
    clients: Clients,
) -> None:
    """Answer one more socket, in a thread of its own, until its end of file."""

    def run() -> None:
        _read(sock, send, queue, clients)
        close()

    threading.Thread(target=run, daemon=True, name="client").start()


def _read(sock: socket.socket, send: Send, queue: BatchQueue, clients: Clients) -> None:
    try:
        for message in _messages(sock):
            match message:
                case Infer():
                    clients.put(queue, send, message)
                case Cancel(id=request_id):
                    clients.cancel(queue, send, request_id)
                case _:
                    raise ProtocolError(f"unexpected {type(message).__name__}")
    except Exception:
        traceback.print_exc()
    # Nobody waits for what is left.
    clients.cancel(queue, send)


def _messages(sock: socket.socket) -> Iterator[Message]:
    reader = FrameReader()
    with contextlib.suppress(ConnectionResetError):
        while count := sock.recv_into(reader.buffer()):
            yield from reader.received(count)
