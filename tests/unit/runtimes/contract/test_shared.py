"""Shared memory: pieces never overlap, nothing is lost, nobody reads beyond the other's half."""

import mmap
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtimes.contract.frames import FrameReader, frame
from runtimes.contract.hot import INLINE
from runtimes.contract.messages import Infer, ProtocolError, Result
from runtimes.contract.shared import ALIGNMENT, THRESHOLD, SharedMemory, Slots
from runtimes.contract.tensor import Datatype, Tensor

SIZE = 64 * ALIGNMENT


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 20 * ALIGNMENT)), max_size=60))
def test_pieces_do_not_overlap_and_all_come_back(steps):
    slots, held = Slots(128, SIZE), {}
    for take, number in steps:
        if take:
            offset = slots.take(number)
            if offset == INLINE:
                continue
            assert offset % ALIGNMENT == 0
            assert offset >= 128
            assert offset + number <= 128 + SIZE
            assert all(
                offset + number <= start or start + size <= offset for start, size in held.items()
            )
            held[offset] = max(number, 1)
        elif held:
            offset = sorted(held)[number % len(held)]
            slots.give(offset)
            del held[offset]
    for offset in held:
        slots.give(offset)

    assert slots.free_bytes == SIZE
    assert slots.take(SIZE) == 128


def test_a_piece_is_given_back_once():
    slots = Slots(0, SIZE)
    slots.give(slots.take(1))
    with pytest.raises(KeyError):
        slots.give(0)


def sides(size=4 * THRESHOLD):
    view = memoryview(bytearray(size))
    return SharedMemory(view, first=True), SharedMemory(view, first=False)


def tensor(name, size, fill=b"x"):
    return Tensor(name, Datatype.UINT8, (size,), fill * size)


def sent(message, by, to):
    """`message` as it arrives: framed by one side, read by the other."""
    data = b"".join(bytes(part) for part in frame(message, by.place))
    by.hold(message.id)
    reader = FrameReader()
    reader.share = to
    messages, left = [], data
    while left:
        view = reader.buffer()
        count = min(len(view), len(left))
        view[:count], left = left[:count], left[count:]
        messages += reader.received(count)
    (received,) = messages
    return received, len(data)


def test_large_tensors_do_not_travel_and_small_ones_do():
    frontend, worker = sides()
    request = Infer(7, (tensor("big", THRESHOLD, b"a"), tensor("small", 10, b"b")), ("out",))

    received, size = sent(request, frontend, worker.view)

    assert size < 300
    assert [bytes(one.data) for one in received.inputs] == [b"a" * THRESHOLD, b"b" * 10]
    assert (received.id, received.outputs) == (7, ("out",))


def test_an_answer_comes_as_a_copy_and_its_place_is_free_when_it_was_taken():
    frontend, worker = sides()
    free = worker.free_bytes

    received, _ = sent(Result(3, (tensor("y", THRESHOLD, b"z"),)), worker, frontend.copy)

    assert received.outputs[0].data == b"z" * THRESHOLD
    assert worker.free_bytes == free - THRESHOLD
    worker.release(4)
    assert worker.free_bytes == free - THRESHOLD
    worker.release(3)
    assert worker.free_bytes == free


def test_what_does_not_fit_travels():
    frontend, worker = sides()
    first = Infer(1, (tensor("x", 2 * THRESHOLD),))
    sent(first, frontend, worker.view)

    received, size = sent(Infer(2, (tensor("x", THRESHOLD, b"w"),)), frontend, worker.view)

    assert size > THRESHOLD
    assert bytes(received.inputs[0].data) == b"w" * THRESHOLD


@pytest.mark.parametrize(
    ("offset", "size"),
    [(0, 1), (2 * THRESHOLD - 1, 2), (4 * THRESHOLD, 1), (4 * THRESHOLD - 1, 2), (-8, 4)],
)
def test_nothing_outside_of_the_other_sides_half_is_read(offset, size):
    frontend, _ = sides()
    with pytest.raises(ProtocolError, match="outside"):
        frontend.view(offset, size)


def test_offsets_without_shared_memory_are_refused():
    frontend, _ = sides()
    with pytest.raises(ProtocolError, match="1 offsets"):
        sent(Infer(1, (tensor("x", THRESHOLD),)), frontend, None)


def test_closing_gives_the_descriptor_back_even_where_a_view_is_left():
    def descriptors():
        return len(list(Path("/proc/self/fd").iterdir()))

    before = descriptors()
    with os.fdopen(os.memfd_create("test"), "wb", buffering=0) as file:
        file.truncate(4 * THRESHOLD)
        memory = mmap.mmap(file.fileno(), 4 * THRESHOLD)
    side = SharedMemory(memoryview(memory), first=True)
    seen = side.view(2 * THRESHOLD, 8)
    del memory

    side.close()
    assert bytes(seen) == bytes(8)
    del seen
    assert descriptors() == before

    with pytest.raises(ValueError, match="released"):
        side.view(2 * THRESHOLD, 8)
