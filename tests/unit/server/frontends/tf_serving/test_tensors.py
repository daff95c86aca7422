"""TensorProto both ways: every datatype, every way of saying it, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from protos import tf_core_pb2 as core
from runtimes.contract.tensor import ITEM_SIZE, Datatype, Tensor, element_count, pack_bytes
from server.errors import InvalidArgument, TooLarge, Unsupported
from server.frontends.tf_serving.datatypes import LISTS, TENSORFLOW
from server.frontends.tf_serving.tensors import Room, decode_tensor, tensor_parts
from server.frontends.tf_serving.varints import packed_varints, read_varint

LIMIT = 10_000


def decode(proto: core.TensorProto, limit: int = LIMIT) -> Tensor:
    return decode_tensor("x", proto, Room(limit))


def proto(datatype: Datatype, *shape: int, **fields) -> core.TensorProto:
    found = core.TensorProto(dtype=TENSORFLOW[datatype], **fields)
    for size in shape:
        found.tensor_shape.dim.add(size=size)
    return found


@st.composite
def tensors(draw) -> Tensor:
    datatype = draw(st.sampled_from(Datatype))
    shape = tuple(draw(st.lists(st.integers(0, 4), max_size=3)))
    count = element_count(shape)
    if datatype is Datatype.BYTES:
        strings = draw(st.lists(st.binary(max_size=5), min_size=count, max_size=count))
        return Tensor("x", datatype, shape, pack_bytes(strings))
    size = ITEM_SIZE[datatype] * count
    if datatype is Datatype.BOOL:
        flags = draw(st.lists(st.booleans(), min_size=count, max_size=count))
        return Tensor("x", datatype, shape, bytes(flags))
    return Tensor("x", datatype, shape, draw(st.binary(min_size=size, max_size=size)))


@given(tensors())
def test_what_is_written_is_read_as_it_was(tensor):
    written = core.TensorProto.FromString(b"".join(tensor_parts(tensor)))

    read = decode(written)

    assert (read.datatype, read.shape) == (tensor.datatype, tensor.shape)
    if tensor.datatype in (Datatype.FP32, Datatype.FP64):
        # protobuf may change which NaN it is.
        kind = "<f4" if tensor.datatype is Datatype.FP32 else "<f8"
        np.testing.assert_array_equal(
            np.frombuffer(read.data, kind), np.frombuffer(tensor.data, kind)
        )
    else:
        assert bytes(read.data) == bytes(tensor.data)


@given(tensors())
def test_elements_are_written_to_the_list_of_their_type_as_tensorflow_serving_does(tensor):
    written = core.TensorProto.FromString(b"".join(tensor_parts(tensor)))

    assert not written.tensor_content
    assert len(getattr(written, LISTS[tensor.datatype])) == element_count(tensor.shape)


@given(tensors())
def test_raw_contents_are_read_as_they_are(tensor):
    if tensor.datatype is not Datatype.BYTES:
        given_ = proto(tensor.datatype, *tensor.shape, tensor_content=bytes(tensor.data))
        assert decode(given_) == tensor


@given(st.lists(st.integers(-(2**63), 2**63 - 1)))
def test_packed_integers_are_those_of_protobuf(values):
    expected = core.TensorProto(int64_val=values).SerializeToString()

    assert packed_varints(np.array(values, np.int64)) == _content(expected)


def _content(message: bytes) -> bytes:
    """The content of the only field, which is packed."""
    if not message:
        return b""
    size, at = read_varint(message, 1)
    assert at + size == len(message)
    return message[at:]


@pytest.mark.parametrize(
    ("datatype", "values", "expected"),
    [
        (Datatype.FP32, [1.5], np.full(6, 1.5, "<f4")),
        (Datatype.FP64, [1.0, 2.0], np.array([1, 2, 2, 2, 2, 2], "<f8")),
        (Datatype.INT8, [-1], np.full(6, -1, "i1")),
        (Datatype.INT64, [7], np.full(6, 7, "<i8")),
        (Datatype.UINT64, [2**64 - 1], np.full(6, 2**64 - 1, "<u8")),
        (Datatype.BOOL, [False, True], np.array([0, 1, 1, 1, 1, 1], "u1")),
        (Datatype.FP16, [0x3C00], np.full(6, 1.0, "<f2")),
        (Datatype.INT32, [], np.zeros(6, "<i4")),
    ],
)  # fmt: skip
def test_the_last_value_stands_for_the_rest(datatype, values, expected):
    found = decode(proto(datatype, 2, 3, **{LISTS[datatype]: values}))

    assert found.shape == (2, 3)
    assert bytes(found.data) == expected.tobytes()


def test_the_last_string_stands_for_the_rest():
    found = decode(proto(Datatype.BYTES, 3, string_val=[b"a", b"bc"]))

    assert found.data == pack_bytes([b"a", b"bc", b"bc"])


def test_strings_may_be_raw_as_well():
    long = b"x" * 300
    lengths_first = bytes([1, 3, 300 & 0x7F | 0x80, 300 >> 7, 0]) + b"a" + b"bcd" + long

    assert decode(proto(Datatype.BYTES, 4, tensor_content=lengths_first)).data == pack_bytes(
        [b"a", b"bcd", long, b""]
    )


@pytest.mark.parametrize("content", [b"\x05a", b"\x01\x01a", b"\xff\xff\xff\xff\xff\xff", b"\x01"])
def test_raw_strings_that_do_not_add_up_are_refused(content):
    with pytest.raises(InvalidArgument):
        decode(proto(Datatype.BYTES, 2, tensor_content=content))


@pytest.mark.parametrize("shape", [(10**9,), (2**31, 2**31), (10**5, 10**5)])
@pytest.mark.parametrize("datatype", [Datatype.FP32, Datatype.BYTES])
def test_a_value_that_stands_for_too_many_is_refused_before_it_is_written_out(datatype, shape):
    value = b"x" if datatype is Datatype.BYTES else 1.0
    with pytest.raises((TooLarge, InvalidArgument), match=r"max_message_bytes|elements"):
        decode(proto(datatype, *shape, **{LISTS[datatype]: [value]}))


def test_all_inputs_together_have_one_room():
    room = Room(LIMIT)
    one = proto(Datatype.FP32, 2000, float_val=[1.0])
    decode_tensor("a", one, room)
    with pytest.raises(TooLarge, match=r"input 'b'.*--max-message-bytes"):
        decode_tensor("b", one, room)


@pytest.mark.parametrize(
    ("given_", "error", "words"),
    [
        (core.TensorProto(), InvalidArgument, "input 'x' has no dtype, expected one of DT_FLOAT"),
        (core.TensorProto(dtype=core.DT_RESOURCE), Unsupported, "dtype DT_RESOURCE, expected"),
        (core.TensorProto(dtype=core.DT_COMPLEX64), Unsupported, "dtype DT_COMPLEX64, expected"),
        (core.TensorProto(dtype=77), Unsupported, "dtype 77, expected"),
        (proto(Datatype.FP32, -1), InvalidArgument, "dimension -1, expected 0 or more"),
        (proto(Datatype.FP32, *[1] * 300), InvalidArgument, "rank 256, expected at most 16"),
        (proto(Datatype.FP32, 2, float_val=[1, 2, 3]), InvalidArgument, "3 elements in float_val"),
        (proto(Datatype.FP32, 1, double_val=[1]), InvalidArgument, "data in double_val, expected"),
        (
            proto(Datatype.FP32, 1, float_val=[1], tensor_content=b"abcd"),
            InvalidArgument,
            "in one of them only",
        ),
        (proto(Datatype.FP32, 2, tensor_content=b"abcd"), InvalidArgument, "4 bytes, expected 8"),
        (proto(Datatype.INT8, 1, int_val=[128]), InvalidArgument, "out of range for INT8"),
        (proto(Datatype.UINT16, 1, int_val=[-1]), InvalidArgument, "out of range for UINT16"),
        (proto(Datatype.BOOL, 1, tensor_content=b"\2"), InvalidArgument, "neither 0 nor 1"),
        (
            core.TensorProto(dtype=1, tensor_shape=core.TensorShapeProto(unknown_rank=True)),
            InvalidArgument,
            "unknown rank",
        ),
    ],
)
def test_what_is_wrong_with_a_tensor_is_said(given_, error, words):
    with pytest.raises(error, match=words):
        decode(given_)
