"""Where frontend processes come to the gateway: a unix socket in a private folder."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import socket
import struct
import tempfile
from collections.abc import Callable
from pathlib import Path

import msgspec
import structlog

from server.hosting.answering import OpenQuestions
from server.planes import ControlPlane
from server.routing.channel import Channel
from server.routing.messages import (
    PROTOCOL,
    Applied,
    Ask,
    Counted,
    FromFrontend,
    Hello,
    Listening,
    Pause,
    Released,
    Stop,
    Stopped,
    Welcome,
    Withdraw,
)
from server.routing.publisher import Publisher, Subscriber

log = structlog.get_logger()

MOST_FRONTENDS = 64
LONGEST_FOLDER = 80
"""Bytes; the kernel takes paths of sockets up to 107."""

_CREDENTIALS = struct.Struct("3i")
_DECODER = msgspec.msgpack.Decoder(FromFrontend)


class Session:
    """One frontend process that has come; `pid` is the kernel's word, not its own."""

    def __init__(self, number: int, pid: int, sock: socket.socket, door: Door) -> None:
        self.number = number
        self.pid = pid
        self.listening = asyncio.Event()
        self.gone = asyncio.Event()
        self.stopped = False
        self.heard_at = asyncio.get_running_loop().time()
        self._door = door
        self._questions = OpenQuestions(door.control)
        self._channel = Channel(sock, _DECODER, self._received, self._lost)
        self._subscriber = Subscriber(number, self._channel)
        self._joined = False

    def pause(self) -> None:
        """Have it be not ready from here on."""
        self._channel.send(Pause())

    def stop(self) -> None:
        """Ask it to finish what it has and to end."""
        self._channel.send(Stop())

    def close(self) -> None:
        """Cut it off, which ends it."""
        self._channel.close()
        self._lost()

    def _received(self, message: FromFrontend, sock: socket.socket | None) -> None:
        self.heard_at = asyncio.get_running_loop().time()
        if sock is not None:  # nothing that comes this way has one
            sock.close()
        if isinstance(message, Hello):
            self._welcome(message)
        elif not self._joined:
            raise ValueError(f"{type(message).__name__} before Hello")
        else:
            self._take(message)

    def _take(self, message: FromFrontend) -> None:
        match message:
            case Applied() | Released() | Counted():
                self._door.publisher.received(self._subscriber, message)
            case Ask():
                self._questions.ask(message, self._channel.send)
            case Withdraw(id=id):
                self._questions.withdraw(id)
            case Listening():
                self.listening.set()
            case Stopped():
                self.stopped = True

    def _welcome(self, hello: Hello) -> None:
        if hello.protocol != PROTOCOL or self._joined:
            raise ValueError(f"Hello with protocol {hello.protocol}, expected {PROTOCOL} once")
        self._joined = True
        self._channel.send(self._door.welcome(self.number))
        self._door.publisher.join(self._subscriber)

    def _lost(self) -> None:
        if self.gone.is_set():
            return
        self.gone.set()
        self._questions.close()
        self._door.publisher.leave(self._subscriber)
        self._door.forget(self)


class Door:
    """Accepts frontends of this user; `came` and `went` tell of each."""

    def __init__(
        self,
        publisher: Publisher,
        control: ControlPlane,
        welcome: Callable[[int], Welcome],
        came: Callable[[Session], None],
        went: Callable[[Session], None],
    ) -> None:
        self.publisher = publisher
        self.control = control
        self.welcome = welcome
        self._came = came
        self._went = went
        self._folder: Path | None = None
        self._socket: socket.socket | None = None
        self._next = 1
        self.sessions: set[Session] = set()

    def open(self) -> Path:
        """Listen; the path of the socket."""
        self._folder = _private_folder()
        path = self._folder / "gateway.sock"
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.bind(str(path))
        self._socket.listen(MOST_FRONTENDS)
        self._socket.setblocking(False)
        asyncio.get_running_loop().add_reader(self._socket, self._accept)
        return path

    def close(self) -> None:
        """Cut everyone off and take the socket away."""
        if self._socket is not None:
            asyncio.get_running_loop().remove_reader(self._socket)
            self._socket.close()
            self._socket = None
        for session in list(self.sessions):
            session.close()
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)

    def forget(self, session: Session) -> None:
        """That one is gone."""
        self.sessions.discard(session)
        self._went(session)

    def _accept(self) -> None:
        if self._socket is None:
            return
        with contextlib.suppress(BlockingIOError, InterruptedError, ConnectionError):
            sock, _ = self._socket.accept()
            pid, uid, _ = _CREDENTIALS.unpack(
                sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
            )
            if uid != os.getuid() or len(self.sessions) >= MOST_FRONTENDS:
                log.warning("a frontend was turned away", pid=pid, uid=uid)
                sock.close()
                return
            session = Session(self._next, pid, sock, self)
            self._next += 1
            self.sessions.add(session)
            self._came(session)


def _private_folder() -> Path:
    """A new folder that only this user can enter, with a path short enough for a socket."""
    place = tempfile.gettempdir()
    if len(os.fsencode(place)) > LONGEST_FOLDER:
        place = "/tmp"  # noqa: S108  # the folder made in it is private
    return Path(tempfile.mkdtemp(prefix="underway-", dir=place))
