"""The fields of a protobuf message as they lie in its bytes, for the few that are read without one.

A worker has no classes generated from .proto files, and some messages are too large to be parsed
for the sake of one field. https://protobuf.dev/programming-guides/encoding has the format.
"""

from __future__ import annotations

from collections.abc import Iterator

from runtimes.contract.tensor import Buffer

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
_SIZES = {FIXED64: 8, FIXED32: 4}
_MAX_VARINT_BYTES = 10


class MalformedError(ValueError):
    """These bytes are no protobuf message."""


def fields(data: Buffer) -> Iterator[tuple[int, int | memoryview]]:
    """Number and value of every field of the message in `data`, in their order.

    A varint's value is the unsigned number; that of all others a view of their bytes. Raises
    MalformedError.
    """
    view, at = memoryview(data), 0
    while at < len(view):
        tag, at = _varint(view, at)
        number, kind = tag >> 3, tag & 7
        if kind == VARINT:
            value, at = _varint(view, at)
            yield number, value
            continue
        if kind == BYTES:
            size, at = _varint(view, at)
        elif kind in _SIZES:
            size = _SIZES[kind]
        else:
            raise MalformedError(f"field {number} is of the unknown kind {kind}")
        if at + size > len(view):
            raise MalformedError(f"field {number} has {size} bytes, but {len(view) - at} follow")
        yield number, view[at : at + size]
        at += size


def messages(data: Buffer, number: int) -> Iterator[memoryview]:
    """The bytes of every embedded message (or text) in field `number`. Raises MalformedError."""
    for found, value in fields(data):
        if found == number:
            if isinstance(value, int):
                raise MalformedError(f"field {number} is a number, expected a message")
            yield value


def _varint(view: memoryview, at: int) -> tuple[int, int]:
    value = shift = 0
    for position in range(at, min(at + _MAX_VARINT_BYTES, len(view))):
        byte = view[position]
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position + 1
        shift += 7
    raise MalformedError("a number does not end")
