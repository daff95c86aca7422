"""Messages and descriptors over a unix socket, whole or not at all."""

from __future__ import annotations

import asyncio
import os
import socket
import struct
from pathlib import Path

import msgspec
import pytest

from server.routing import channel as channel_file
from server.routing.channel import Channel


class Note(msgspec.Struct, frozen=True, array_like=True, tag=True):
    text: str


class End:
    """One end, and what came to it."""

    def __init__(self, sock: socket.socket) -> None:
        self.notes: list[str] = []
        self.sockets: list[socket.socket | None] = []
        self.lost = asyncio.Event()
        self.channel = Channel(sock, msgspec.msgpack.Decoder(Note), self._received, self.lost.set)

    def _received(self, note: Note, sock: socket.socket | None) -> None:
        self.notes.append(note.text)
        self.sockets.append(sock)

    async def until(self, count: int) -> None:
        async with asyncio.timeout(20):
            while len(self.notes) < count:
                await asyncio.sleep(0.001)


@pytest.fixture
async def pair():
    ends = [End(sock) for sock in socket.socketpair()]
    yield ends
    for end in ends:
        end.channel.close()


@pytest.fixture
async def raw():
    """One end, and a bare socket on the other side."""
    ours, theirs = socket.socketpair()
    end = End(ours)
    yield end, theirs
    end.channel.close()
    theirs.close()


async def test_messages_come_whole_and_in_order_whatever_their_size(pair):
    one, other = pair
    texts = ["", "a", "b" * 3_000_000, "c" * 70_000, "d"]
    for text in texts:
        one.channel.send(Note(text))

    await other.until(len(texts))

    assert other.notes == texts


async def test_a_socket_comes_with_its_own_message(pair):
    one, other = pair
    given = {}
    for number in range(50):
        text = str(number) * 2000
        if number % 3 == 0:
            ours, theirs = socket.socketpair()
            ours.sendall(text.encode())
            ours.close()
            one.channel.send(Note(text), theirs)
            given[number] = text
        else:
            one.channel.send(Note(text))

    await other.until(50)

    for number, sock in enumerate(other.sockets):
        assert (sock is not None) == (number in given)
        if sock is not None:
            assert sock.recv(4000).decode() == given[number]
            assert not os.get_inheritable(sock.fileno())
            sock.close()


async def test_the_end_of_one_side_is_told_to_the_other_after_what_was_sent(pair):
    one, other = pair
    one.channel.send(Note("last words"))
    one.channel.close()

    await asyncio.wait_for(other.lost.wait(), 10)

    assert other.notes == ["last words"]
    assert other.channel.is_closed
    assert not one.lost.is_set()


async def test_what_is_sent_to_nobody_is_dropped_and_its_socket_closed(pair):
    one, _ = pair
    one.channel.close()
    ours, theirs = socket.socketpair()
    one.channel.send(Note("x"), theirs)

    assert ours.recv(1) == b""
    ours.close()


@pytest.mark.parametrize(
    "data",
    [
        struct.pack("<IB", 2**32 - 1, 0),
        struct.pack("<IB", 3, 1) + b"abc",
        struct.pack("<IB", 3, 0) + b"abc",
        struct.pack("<IB", 1, 0) + msgspec.msgpack.encode(5),
        struct.pack("<IB", 0, 0),
    ],
)
async def test_what_is_no_message_ends_the_connection(raw, data):
    end, theirs = raw
    theirs.sendall(data)

    await asyncio.wait_for(end.lost.wait(), 10)

    assert end.notes == []
    theirs.settimeout(10)
    assert theirs.recv(1) == b""


async def test_a_peer_that_does_not_read_is_cut_off(raw, monkeypatch):
    monkeypatch.setattr(channel_file, "MAX_UNSENT", 4_000_000)
    end, _theirs = raw
    for _ in range(8):
        end.channel.send(Note("x" * 1_000_000))

    assert end.lost.is_set()


async def test_nothing_is_left_open(pair):
    one, other = pair
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(20):
        ours, theirs = socket.socketpair()
        ours.close()
        one.channel.send(Note("x"), theirs)
    await other.until(20)
    for sock in other.sockets:
        sock.close()

    # Fewer where something of an earlier test was let go meanwhile.
    assert len(list(Path("/proc/self/fd").iterdir())) <= before
