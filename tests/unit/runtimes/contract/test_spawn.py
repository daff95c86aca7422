"""Packets between the gateway and a zygote."""

import pytest

from runtimes.contract.messages import ProtocolError
from runtimes.contract.spawn import (
    Exited,
    Fork,
    Forked,
    ForkFailed,
    Imported,
    ImportFailed,
    decode_packet,
    encode_packet,
)


@pytest.mark.parametrize(
    "packet",
    [
        Fork("m/1#1"),
        Imported(),
        ImportFailed("é"),
        Forked("m/1#1", 42),
        ForkFailed("m", "no"),
        Exited(42, -9),
    ],
)
def test_a_packet_comes_back_as_it_was_sent(packet):
    assert decode_packet(encode_packet(packet)) == packet


@pytest.mark.parametrize("data", [b"", b"[]", b"{}", b'["Fork"]', b'["Exec", "sh"]', b"\xff"])
def test_anything_else_is_refused(data):
    with pytest.raises(ProtocolError):
        decode_packet(data)
