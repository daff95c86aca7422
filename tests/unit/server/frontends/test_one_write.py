"""A head leaves together with its body, and nothing is lost, kept or reordered."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.frontends.one_write import _JOIN_BYTES, OneWrite

HEAD = b"HTTP/1.1 200 OK\r\n\r\n"


class Wire:
    """What a transport was asked to write, call by call."""

    def __init__(self) -> None:
        self.calls: list[bytes] = []
        self.closed = False

    def write(self, data) -> None:
        assert not self.closed
        self.calls.append(bytes(data))

    def writelines(self, parts) -> None:
        self.write(b"".join(parts))

    def close(self) -> None:
        self.closed = True

    def is_closing(self) -> bool:
        return self.closed


def over(wire: Wire) -> OneWrite:
    return OneWrite(wire, asyncio.get_running_loop().call_soon)  # type: ignore[arg-type]


@pytest.mark.parametrize("body", [b"", b"abc", bytes(_JOIN_BYTES + 1)], ids=len)
async def test_head_and_body_leave_in_one_call(body):
    wire = Wire()
    transport = over(wire)
    for _ in range(2):
        transport.write(HEAD)
        transport.write(body)
    await asyncio.sleep(0)
    assert wire.calls == [HEAD + body] * 2


async def test_a_head_without_a_body_yet_leaves_when_the_turn_ends():
    wire = Wire()
    transport = over(wire)
    transport.write(HEAD)
    assert wire.calls == []
    await asyncio.sleep(0)
    assert wire.calls == [HEAD]
    transport.write(b"later")
    assert wire.calls == [HEAD, b"later"]


async def test_closing_writes_what_is_held():
    wire = Wire()
    transport = over(wire)
    transport.write(HEAD)
    transport.close()
    await asyncio.sleep(0)
    assert (wire.calls, transport.is_closing()) == ([HEAD], True)


async def test_a_head_for_a_peer_that_is_gone_is_dropped():
    wire = Wire()
    transport = over(wire)
    transport.write(HEAD)
    wire.closed = True
    await asyncio.sleep(0)
    assert wire.calls == []


@given(st.lists(st.one_of(st.none(), st.sampled_from([HEAD, b"x", b"", HEAD[:9]]))))
def test_every_byte_leaves_in_its_order(writes):
    async def run() -> None:
        wire = Wire()
        transport = over(wire)
        for data in writes:
            if data is None:
                await asyncio.sleep(0)
            else:
                transport.write(data)
        transport.close()
        assert b"".join(wire.calls) == b"".join(data for data in writes if data)

    asyncio.run(run())
