"""Messages come out of a call's body as they went in, however the body is cut; bounds hold."""

import gzip
import itertools
import struct
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.errors import InvalidArgument, TooLarge, Unsupported
from server.frontends.grpc_frames import Frame, Frames, check_encoding, framed, unpacked

LIMIT = 100


def _fed(frames, chunks):
    return [frame for chunk in chunks for frame in frames.feed(chunk)]


@given(st.lists(st.binary(max_size=40), max_size=8), st.lists(st.integers(0, 400), max_size=90))
def test_messages_survive_any_cut(messages, cuts):
    body = b"".join(map(framed, messages))
    edges = [0, *sorted(min(cut, len(body)) for cut in cuts), len(body)]
    frames = Frames(LIMIT)

    found = _fed(frames, (body[a:b] for a, b in itertools.pairwise(edges)))
    frames.finish()

    assert found == [Frame(False, message) for message in messages]


def test_a_large_message_in_single_bytes_is_one_message():
    message = bytes(range(256)) * 40
    frames = Frames(len(message))
    body = framed(message)

    assert _fed(frames, (body[i : i + 1] for i in range(len(body)))) == [Frame(False, message)]
    frames.finish()


def test_a_message_over_the_limit_is_refused_when_its_length_is_known():
    frames = Frames(LIMIT)
    with pytest.raises(TooLarge, match=r"max_message_bytes \(100 bytes\)"):
        frames.feed(struct.pack(">BI", 0, LIMIT + 1))


def test_a_flag_that_is_none_is_refused():
    with pytest.raises(InvalidArgument, match="flag 7; expected 0 or 1"):
        Frames(LIMIT).feed(struct.pack(">BI", 7, 0))


@pytest.mark.parametrize("body", [b"\0", framed(b"abc")[:-1], framed(b"a") + b"\0\0"])
def test_a_truncated_end_is_refused(body):
    frames = Frames(LIMIT)
    frames.feed(body)
    with pytest.raises(InvalidArgument, match="truncated"):
        frames.finish()


@pytest.mark.parametrize(
    ("encoding", "pack"), [("gzip", gzip.compress), ("deflate", zlib.compress)]
)
async def test_a_packed_message_is_unpacked(encoding, pack):
    assert await unpacked(Frame(True, pack(b"text")), encoding, LIMIT) == b"text"


@pytest.mark.parametrize(
    ("payload", "encoding", "error", "words"),
    [
        (gzip.compress(bytes(LIMIT + 1), mtime=0), "gzip", TooLarge, "max_message_bytes"),
        (b"no gzip", "gzip", InvalidArgument, "not valid gzip"),
        (gzip.compress(b"x", mtime=0)[:-3], "gzip", InvalidArgument, "truncated"),
        (b"x", "", InvalidArgument, "grpc-encoding names no way"),
        (b"x", "identity", InvalidArgument, "grpc-encoding names no way"),
    ],
)
async def test_what_does_not_unpack_is_refused(payload, encoding, error, words):
    with pytest.raises(error, match=words):
        await unpacked(Frame(True, payload), encoding, LIMIT)


def test_an_unknown_encoding_is_refused_with_those_there_are():
    check_encoding("")
    check_encoding("gzip")
    with pytest.raises(Unsupported, match=r"'snappy'; expected one of identity, gzip, deflate"):
        check_encoding("snappy")
