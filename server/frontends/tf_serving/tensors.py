"""TensorProto to and from the gateway's tensors.

What comes may hold its elements raw or in the list of its type. What goes out holds them in the
list of its type, as TensorFlow Serving's answers do, because its clients read those lists. Packed
lists of floats, doubles and small integers are the raw bytes, so that nothing is lost by it.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from protos import tf_core_pb2 as core
from runtimes.contract.tensor import (
    ITEM_SIZE,
    Buffer,
    Datatype,
    Tensor,
    element_count,
    pack_bytes,
    unpack_bytes,
)
from server.errors import InvalidArgument, TooLarge
from server.frontends.grpc_wire import field_start
from server.frontends.open_inference.arrays import numeric_array
from server.frontends.tf_serving.datatypes import LISTS, TENSORFLOW, datatype_of
from server.frontends.tf_serving.varints import packed_varints, read_varint
from server.frontends.typed_lists import pack_list
from server.inference import check_shape, check_size

_NUMBERS = {
    datatype: core.TensorProto.DESCRIPTOR.fields_by_name[field].number
    for datatype, field in LISTS.items()
}
_ALL_LISTS = sorted(set(LISTS.values()))
_RAW_LISTS = (Datatype.FP32, Datatype.FP64)


class Room:
    """The bytes by which what a request says in short may grow: one value that stands for many, one
    context that is part of many examples. Refused before it is written out.
    """

    def __init__(self, limit: int) -> None:
        self._limit = self._left = limit

    def take(self, what: str, size: int) -> None:
        """Use up `size` bytes for `what`; raises TooLarge where they are not there."""
        self._left -= size
        if self._left < 0:
            raise TooLarge(
                f"{what} takes {size} bytes when it is written out; what a request repeats may "
                f"take max_message_bytes ({self._limit} bytes) in all. Raise --max-message-bytes "
                "on the server or send less"
            )


# ---- what comes --------------------------------------------------------------------------------


def decode_tensor(name: str, proto: core.TensorProto, room: Room) -> Tensor:
    """Input `name`, its size checked. Raises InvalidArgument, Unsupported, or TooLarge where more
    than `room` would have to be filled with repetitions.
    """
    datatype = datatype_of(name, proto.dtype)
    shape = shape_of(name, proto.tensor_shape)
    content = proto.tensor_content
    lists = [field for field in _ALL_LISTS if getattr(proto, field)]
    if lists and (content or lists != [LISTS[datatype]]):
        wrong = next((field for field in lists if field != LISTS[datatype]), lists[0])
        raise InvalidArgument(
            f"input '{name}' of {core.DataType.Name(proto.dtype)} has data in {wrong}, expected it "
            f"in tensor_content or in {LISTS[datatype]}, and in one of them only"
        )
    if not content:
        return Tensor(name, datatype, shape, _listed(name, datatype, shape, proto, room))
    if datatype is Datatype.BYTES:
        return Tensor(name, datatype, shape, _split_strings(name, element_count(shape), content))
    tensor = Tensor(name, datatype, shape, content)
    check_size(tensor)
    return tensor


def shape_of(name: str, shape: core.TensorShapeProto) -> tuple[int, ...]:
    """The dimensions of input `name`; raises InvalidArgument for what no tensor can have."""
    if shape.unknown_rank:
        raise InvalidArgument(
            f"input '{name}' has a shape of unknown rank, expected its dimensions"
        )
    # Before anything is made of them: there may be as many as fit into a message.
    check_shape(name, [dim.size for dim in shape.dim[: 2**8]])
    return tuple(dim.size for dim in shape.dim)


def _listed(
    name: str, datatype: Datatype, shape: tuple[int, ...], proto: core.TensorProto, room: Room
) -> bytes:
    """The elements of a typed list, the last one repeated as often as the shape asks for."""
    values = getattr(proto, LISTS[datatype])
    missing = element_count(shape) - len(values)
    if missing < 0:
        raise InvalidArgument(
            f"input '{name}' has {len(values)} elements in {LISTS[datatype]}, expected at most "
            f"{element_count(shape)} for shape {list(shape)}"
        )
    if datatype is Datatype.BYTES:
        last = pack_bytes([values[-1] if values else b""])
    else:
        last = bytes(ITEM_SIZE[datatype])  # without any value, all are zero
    room.take(f"input '{name}'", missing * len(last))
    packed = pack_list(name, LISTS[datatype], datatype, values)
    if missing and values and datatype is not Datatype.BYTES:
        last = packed[-ITEM_SIZE[datatype] :]
    return packed + last * missing if missing else packed


def _split_strings(name: str, count: int, content: bytes) -> bytes:
    """Strings as TensorFlow writes them into `tensor_content`: all lengths, then all bytes."""
    sizes: list[int] = []
    at = 0
    while len(sizes) < count and at < len(content):
        # Most lengths are one byte, and there may be millions of them.
        size, at = (content[at], at + 1) if content[at] < 0x80 else read_varint(content, at)
        sizes.append(size)
    if len(sizes) != count or sum(sizes) != len(content) - at:
        raise InvalidArgument(
            f"input '{name}': tensor_content does not hold {count} strings, each with its length"
        )
    strings: list[bytes] = []
    for size in sizes:
        strings.append(content[at : at + size])
        at += size
    return pack_bytes(strings)


# ---- what goes out -----------------------------------------------------------------------------


def tensor_parts(tensor: Tensor) -> list[Buffer]:
    """`tensor` as the buffers of one serialized TensorProto."""
    parts: list[Buffer] = [_head(tensor.datatype, tensor.shape)]
    if tensor.datatype is Datatype.BYTES:
        strings = core.TensorProto(string_val=unpack_bytes(tensor.data))
        parts.append(strings.SerializeToString())
    elif tensor.data:
        data = _packed_list(tensor)
        parts += (field_start(_NUMBERS[tensor.datatype], len(data)), data)
    return parts


def _packed_list(tensor: Tensor) -> Buffer:
    if tensor.datatype in _RAW_LISTS:
        return tensor.data
    if tensor.datatype in (Datatype.FP16, Datatype.BF16):
        values: NDArray[np.generic] = np.frombuffer(tensor.data, "<u2")
    else:
        values = numeric_array(tensor)
    return packed_varints(values)


@lru_cache(maxsize=1024)
def _head(datatype: Datatype, shape: tuple[int, ...]) -> bytes:
    """All of a TensorProto but its elements."""
    head = core.TensorProto(dtype=TENSORFLOW[datatype])
    head.tensor_shape.SetInParent()  # a scalar has a shape too
    for size in shape:
        head.tensor_shape.dim.add(size=size)
    encoded: bytes = head.SerializeToString()
    return encoded
