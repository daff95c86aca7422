"""Protobuf's bytes are read field by field, and nothing malformed passes for a message."""

import pytest
from google.protobuf import struct_pb2
from hypothesis import given
from hypothesis import strategies as st

from runtimes.proto_fields import MalformedError, fields, messages


def test_every_kind_of_field_is_found_in_its_order():
    data = b"\x08\x96\x01" + b"\x12\x02hi" + b"\x1d\1\2\3\4" + b"\x21" + bytes(8)

    found = [(number, one if isinstance(one, int) else bytes(one)) for number, one in fields(data)]

    assert found == [(1, 150), (2, b"hi"), (3, b"\1\2\3\4"), (4, bytes(8))]


@given(st.lists(st.text(max_size=5), max_size=4))
def test_what_protobuf_writes_is_read_back(texts):
    message = struct_pb2.ListValue(values=[struct_pb2.Value(string_value=one) for one in texts])

    values = list(messages(message.SerializeToString(), 1))

    assert [bytes(next(messages(one, 3))).decode() for one in values] == texts


@pytest.mark.parametrize(
    "data",
    [
        b"\x08",  # a number that is not there
        b"\x08" + b"\xff" * 11,  # one without an end
        b"\x12\x05hi",  # fewer bytes than said
        b"\x12\xff\xff\xff\xff\xff\xff\xff\xff\x7f",  # more than anybody has
        b"\x0b",  # a group, which is long gone
        b"\x1d\1\2\3",
    ],
)
def test_what_is_cut_off_or_unknown_is_malformed(data):
    with pytest.raises(MalformedError):
        list(fields(data))


def test_a_number_where_a_message_belongs_is_malformed():
    with pytest.raises(MalformedError, match="field 1 is a number"):
        list(messages(b"\x08\1", 1))


@given(st.binary(max_size=40))
def test_any_bytes_are_fields_or_malformed(data):
    try:
        found = list(fields(data))
    except MalformedError:
        return
    assert sum(1 if isinstance(one, int) else len(one) for _, one in found) <= len(data)
