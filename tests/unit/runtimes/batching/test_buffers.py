"""Memory for batches is used again, but never while anything still looks at it."""

import ctypes

from hypothesis import given
from hypothesis import strategies as st

from runtimes.batching.buffers import ALIGNMENT, MAX_KEPT, REUSED_FROM, BatchBuffers


def address(buffer):
    return ctypes.addressof(ctypes.c_char.from_buffer(buffer))


def test_memory_is_used_again_once_it_is_not_looked_at():
    buffers = BatchBuffers()
    first = buffers.join([b"a" * REUSED_FROM])
    at = address(first)
    second = buffers.join([b"b" * REUSED_FROM])
    assert address(second) != at
    assert bytes(first) == b"a" * REUSED_FROM

    del first
    third = buffers.join([b"c" * (REUSED_FROM + 100)])
    assert address(third) == at
    assert bytes(second) == b"b" * REUSED_FROM


def test_a_view_of_a_view_is_a_look_as_well():
    buffers = BatchBuffers()
    answer = buffers.join([b"a" * REUSED_FROM])[5:9]
    others = [buffers.join([b"b" * REUSED_FROM]) for _ in range(3)]
    assert bytes(answer) == b"aaaa"
    assert len({address(one) for one in others}) == 3


def test_memory_begins_where_frameworks_can_read_it_in_place():
    buffers = BatchBuffers()
    kept = [buffers.join([bytes(REUSED_FROM + extra)]) for extra in range(0, 90, 7)]
    assert [address(one) % ALIGNMENT for one in kept] == [0] * len(kept)


def test_what_is_kept_is_bounded():
    buffers = BatchBuffers(max_bytes=4 * REUSED_FROM)
    seen = [buffers.join([bytes(REUSED_FROM)]) for _ in range(2 * MAX_KEPT)]
    assert len({address(one) for one in seen}) == len(seen)
    assert buffers.kept_bytes <= 4 * REUSED_FROM
    assert len(buffers.join([bytes(100 * REUSED_FROM)])) == 100 * REUSED_FROM
    assert buffers.kept_bytes <= 4 * REUSED_FROM


def test_small_batches_get_memory_of_their_own():
    buffers = BatchBuffers()
    assert bytes(buffers.join([b"ab", b"c"])) == b"abc"
    assert buffers.kept_bytes == 0


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 2), st.booleans()), max_size=25))
def test_what_is_held_never_changes(steps):
    buffers, held = BatchBuffers(max_bytes=12 * REUSED_FROM), []
    for number, (size, parts, hold) in enumerate(steps):
        content = bytes([number]) * (REUSED_FROM * size // 2 + 10)
        made = buffers.join([content] * (parts + 1))
        assert bytes(made) == content * (parts + 1)
        if hold:
            held.append((made, content * (parts + 1)))
        else:
            del made
    for made, content in held:
        assert bytes(made) == content
