"""Reading and writing protobuf messages at the edge, with errors a client can read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TypeVar

from google.protobuf.message import DecodeError, Message

from runtimes.contract.tensor import Buffer
from server.errors import InvalidArgument

M = TypeVar("M", bound=Message)

_LENGTH_DELIMITED = 2


def parse(kind: type[M], payload: bytes) -> M:
    """`payload` as a message of `kind`; raises InvalidArgument when it is none."""
    try:
        return kind.FromString(payload)
    except DecodeError:
        raise InvalidArgument(f"request is not a valid {kind.DESCRIPTOR.name}") from None


def embedded(field_number: int, parts: Iterable[Buffer]) -> Iterator[Buffer]:
    """One bytes or message field holding `parts` joined, as buffers to join into a message.

    Serialized messages may be concatenated, so a large tensor is appended to its message this way
    and copied once, where setting a field would copy it on the way in and again on the way out.
    """
    held = list(parts)
    yield field_start(field_number, sum(memoryview(part).nbytes for part in held))
    yield from held


def field_start(field_number: int, size: int) -> bytes:
    """What stands before the `size` bytes of a bytes, string or message field."""
    return _varint(field_number << 3 | _LENGTH_DELIMITED) + _varint(size)


def _varint(value: int) -> bytes:
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)
