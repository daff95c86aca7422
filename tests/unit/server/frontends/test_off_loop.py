"""What is large is read by another thread, and what is small at once."""

from __future__ import annotations

import threading

import pytest

from server.errors import InvalidArgument
from server.frontends.off_loop import OFF_LOOP_BYTES, by_size


@pytest.mark.parametrize(("size", "beside"), [(OFF_LOOP_BYTES - 1, False), (OFF_LOOP_BYTES, True)])
async def test_what_is_large_is_read_beside_the_loop(size, beside):
    def read(first: int, second: int) -> tuple[int, int, threading.Thread]:
        return first, second, threading.current_thread()

    first, second, thread = await by_size(size, read, 1, 2)

    assert (first, second) == (1, 2)
    assert (thread is not threading.current_thread()) is beside


@pytest.mark.parametrize("size", [0, OFF_LOOP_BYTES])
async def test_what_is_wrong_is_said_either_way(size):
    def read() -> None:
        raise InvalidArgument("no")

    with pytest.raises(InvalidArgument, match="no"):
        await by_size(size, read)
