from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from server.frontends.sliced_write import SLICE_BYTES, SlicedWrite


class Inner:
    """Takes so many slices as it is told, then has its writer pause."""

    def __init__(self) -> None:
        self.taken: list[bytes] = []
        self.room = 0
        self.closed = False
        self.writer: SlicedWrite | None = None

    def set_write_buffer_limits(self, high: int) -> None:
        assert high == SLICE_BYTES

    def write(self, data: memoryview) -> None:
        assert not self.closed
        self.taken.append(bytes(data))
        self.room -= 1
        if self.room <= 0 and self.writer is not None:
            self.writer.pause()

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        self.closed = True


SIZES = st.integers(0, 4 * SLICE_BYTES)


@given(st.lists(st.tuples(SIZES, st.integers(0, 6))), st.booleans())
def test_everything_arrives_in_order_and_no_more_at_once_than_is_taken_up(steps, closes):
    inner = Inner()
    inner.writer = writer = SlicedWrite(inner)
    sent = b""
    for number, (size, room) in enumerate(steps):
        data = bytes([number % 256]) * size
        sent += data
        writer.write(data)
        inner.room, before = room, len(inner.taken)
        writer.resume()
        assert len(inner.taken) - before <= max(1, room)
    if closes:
        writer.close()
        assert writer.is_closing()
    for _ in range(len(sent) // SLICE_BYTES + len(steps) + 1):
        assert not inner.closed or b"".join(inner.taken) == sent
        inner.room = 1
        writer.resume()
    assert b"".join(inner.taken) == sent
    assert max(map(len, inner.taken), default=0) <= SLICE_BYTES
    assert inner.closed == closes


def test_what_may_change_is_copied():
    inner = Inner()
    inner.writer = writer = SlicedWrite(inner)
    writer.pause()
    data = bytearray(b"before")
    writer.writelines([memoryview(data), b"!"])
    data[:] = b"after!"
    inner.room = 9
    writer.resume()
    assert b"".join(inner.taken) == b"before!"


def test_of_a_connection_that_is_gone_nothing_is_kept():
    inner = Inner()
    inner.writer = writer = SlicedWrite(inner)
    writer.pause()
    writer.write(b"a")
    writer.drop()
    assert writer.is_full  # still paused
    writer.resume()
    assert (inner.taken, writer.is_full) == ([], False)
