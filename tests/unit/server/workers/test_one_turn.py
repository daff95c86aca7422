"""What is sent in one turn leaves in one write, in its order."""

from __future__ import annotations

from server.workers.one_turn import _JOIN_BYTES, OneTurn


class Recorded:
    """A transport and a loop in one: keeps what was written and what is to be called."""

    def __init__(self) -> None:
        self.writes: list[list[bytes]] = []
        self.soon: list = []

    def write(self, data) -> None:
        self.writes.append([bytes(data)])

    def writelines(self, buffers) -> None:
        self.writes.append([bytes(one) for one in buffers])


def made() -> tuple[Recorded, OneTurn]:
    recorded = Recorded()
    return recorded, OneTurn(recorded, recorded.soon.append)


def test_messages_of_one_turn_leave_in_one_write():
    recorded, turn = made()
    turn.send([b"a", memoryview(b"b")])
    turn.send([b"c"])
    assert recorded.writes == []

    (flush,) = recorded.soon
    flush()

    assert recorded.writes == [[b"abc"]]


def test_every_turn_has_its_own_write():
    recorded, turn = made()
    for text in (b"a", b"b"):
        turn.send([text])
        recorded.soon.pop()()

    assert recorded.writes == [[b"a"], [b"b"]]


def test_what_is_large_is_not_copied():
    recorded, turn = made()
    large = bytes(_JOIN_BYTES)
    turn.send([b"head", large])
    recorded.soon.pop()()

    assert recorded.writes == [[b"head", large]]


def test_flushed_before_the_turn_ends_nothing_is_written_again():
    recorded, turn = made()
    turn.send([b"a"])
    turn.flush()
    recorded.soon.pop()()

    assert recorded.writes == [[b"a"]]
