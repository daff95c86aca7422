"""The two messages of every request as bytes: Infer and Result, whose headers are packed, not JSON.

    header = fixed fields | n offsets (i64 LE) | description (JSON)

The description says what hardly ever changes: names, datatypes, shapes, sizes and the signature.
Both sides keep
those they have seen, so that usually it is neither written nor read again. The n offsets are 0, or
one per tensor: where it lies in shared memory, -1 for in the body.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from runtimes.contract.messages import Infer, ProtocolError, Result, Timings
from runtimes.contract.tensor import MAX_RANK, Buffer, Datatype, Tensor

INFER, RESULT = 1, 2
"""First bytes of the headers; that of all other messages is a bracket."""

ALIGNMENT = 16
KEPT = 4096
MAX_KEPT_BYTES = 1024
"""Longer descriptions are read anew each time, so that what is kept stays small."""

INLINE = -1

_INFER = struct.Struct("<BBHxxxxQq")
_RESULT = struct.Struct("<B?HIQqqqqIxxxxqq")
_PADDING = tuple(bytes(count) for count in range(ALIGNMENT))
_dumps = json.JSONEncoder(separators=(",", ":")).encode

Place = Callable[[Buffer], int]
"""Puts a buffer into shared memory and says where, INLINE where it is to go in the body."""

At = Callable[[int, int], Buffer]
"""The bytes at an offset of shared memory, of a size; raises ProtocolError."""

Spec = tuple[str, Datatype, tuple[int, ...], int]
"""Name, datatype, shape and bytes of a tensor."""


@dataclass(frozen=True, slots=True)
class Described:
    """A description as read: the outputs asked for, each tensor's name, type, shape and size, and
    the signature, "" for the default.
    """

    outputs: tuple[str, ...]
    specs: tuple[Spec, ...]
    signature: str


def encode_infer(message: Infer, place: Place | None) -> tuple[bytes, list[Buffer]]:
    """Header and body of a request."""
    offsets, body, described = _laid_out(message.inputs, message.outputs, place, message.signature)
    priority = min(message.priority, 255)
    fixed = _INFER.pack(INFER, priority, len(offsets), message.id, message.deadline_ns)
    return fixed + _packed(offsets) + described, body


def encode_result(message: Result, place: Place | None) -> tuple[bytes, list[Buffer]]:
    """Header and body of an answer."""
    offsets, body, described = _laid_out(message.outputs, (), place)
    t = message.timings
    fixed = _RESULT.pack(
        RESULT, t.leads, len(offsets), t.batch_rows, message.id, t.queue_ns, t.compute_input_ns,
        t.compute_infer_ns, t.compute_output_ns, t.padded_rows, t.padded_bytes, t.arrived_ns,
    )  # fmt: skip
    return fixed + _packed(offsets) + described, body


def decode_infer(header: bytes, body: memoryview, share: At | None) -> Infer:
    """The request in a frame; tensors are views."""
    _, priority, count, id_, deadline = _INFER.unpack_from(header)
    described, tensors = _read(header, _INFER.size, count, body, share)
    return Infer(id_, tensors, described.outputs, deadline, priority, described.signature)


def decode_result(header: bytes, body: memoryview, share: At | None) -> Result:
    """The answer in a frame; tensors are views."""
    _, leads, count, rows, id_, queue, taken, infer, given, padded, size, arrived = (
        _RESULT.unpack_from(header)
    )
    _, tensors = _read(header, _RESULT.size, count, body, share)
    timings = Timings(queue, taken, infer, given, rows, leads, padded, size, arrived)
    return Result(id_, tensors, timings)


def _laid_out(
    tensors: Sequence[Tensor],
    outputs: tuple[str, ...],
    place: Place | None,
    signature: str = "",
) -> tuple[list[int], list[Buffer], bytes]:
    specs: list[Spec] = []
    body: list[Buffer] = []
    offsets: list[int] = []
    shared = False
    for tensor in tensors:
        data = tensor.data
        size = len(data)
        specs.append((tensor.name, tensor.datatype, tensor.shape, size))
        offset = INLINE if place is None else place(data)
        offsets.append(offset)
        if offset == INLINE:
            body.append(data)
            if padding := -size % ALIGNMENT:
                body.append(_PADDING[padding])
        else:
            shared = True
    return offsets if shared else [], body, _description(outputs, tuple(specs), signature)


@lru_cache(KEPT)
def _description(outputs: tuple[str, ...], specs: tuple[Spec, ...], signature: str) -> bytes:
    return _dumps([outputs, specs, signature]).encode("ascii")


def _packed(offsets: Sequence[int]) -> bytes:
    return struct.pack(f"<{len(offsets)}q", *offsets) if offsets else b""


def _read(
    header: bytes, start: int, count: int, body: memoryview, share: At | None
) -> tuple[Described, tuple[Tensor, ...]]:
    end = start + 8 * count
    text = header[end:]
    described = _kept(text) if len(text) <= MAX_KEPT_BYTES else _described(text)
    if not count:
        return described, _inline(described.specs, body)
    if count != len(described.specs) or share is None:
        raise ProtocolError(f"{count} offsets for {len(described.specs)} tensors")
    offsets = struct.unpack_from(f"<{count}q", header, start)
    return described, _anywhere(described.specs, offsets, body, share)


def _inline(specs: Sequence[Spec], body: memoryview) -> tuple[Tensor, ...]:
    tensors: list[Tensor] = []
    offset = 0
    for name, datatype, shape, size in specs:
        if offset + size > len(body):
            raise ProtocolError(f"tensor '{name}' runs past the end of its frame")
        tensors.append(Tensor(name, datatype, shape, body[offset : offset + size]))
        offset += size + -size % ALIGNMENT
    return tuple(tensors)


def _anywhere(
    specs: Sequence[Spec], offsets: Sequence[int], body: memoryview, share: At
) -> tuple[Tensor, ...]:
    inside = [spec for spec, offset in zip(specs, offsets, strict=True) if offset == INLINE]
    found = iter(_inline(inside, body))
    return tuple(
        next(found) if offset == INLINE else Tensor(*spec[:3], share(offset, spec[3]))
        for spec, offset in zip(specs, offsets, strict=True)
    )


def _described(text: bytes) -> Described:
    outputs, items, signature = json.loads(text)
    specs: list[Spec] = []
    for name, datatype, shape, size in items:
        if size < 0 or len(shape) > MAX_RANK or any(dim < 0 for dim in shape):
            raise ProtocolError(f"tensor '{name}' has an impossible shape or size")
        specs.append((name, Datatype(datatype), tuple(shape), size))
    return Described(tuple(outputs), tuple(specs), str(signature))


_kept = lru_cache(KEPT)(_described)
