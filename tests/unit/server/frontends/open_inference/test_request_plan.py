"""A binary request means the same by a plan as without one, also the second time."""

from __future__ import annotations

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtimes.contract.tensor import ITEM_SIZE, Datatype, element_count, pack_bytes
from server.errors import ServingError
from server.frontends.open_inference import request_plan
from server.frontends.open_inference.request_plan import MAX_HEADER_BYTES, decode_planned
from server.frontends.open_inference.rest_request import decode_request

NOW = 1000

SHAPES = st.lists(st.integers(0, 3), max_size=3)
IDS = st.one_of(st.text(max_size=6), st.none(), st.integers(0, 9), st.just("é"), st.just('a"b'))
PARAMETERS = st.dictionaries(
    st.sampled_from(
        ["binary_data_output", "timeout", "priority", "custom", "sequence_id", "signature_name"]
    ),
    st.one_of(st.booleans(), st.integers(-1, 9), st.text(max_size=3)),
    max_size=3,
)
OUTPUTS = st.lists(
    st.fixed_dictionaries(
        {"name": st.sampled_from(["y", "z", ""])},
        optional={
            "parameters": st.dictionaries(
                st.sampled_from(["binary_data", "classification", "shared_memory_region"]),
                st.one_of(st.booleans(), st.integers(0, 3)),
            )
        },
    ),
    max_size=2,
)


@st.composite
def inputs(draw):
    """An entry of `inputs` with its bytes; mostly right."""
    datatype, shape = draw(st.sampled_from(list(Datatype))), draw(SHAPES)
    count = element_count(shape)
    if datatype is Datatype.BYTES:
        data = pack_bytes(draw(st.lists(st.binary(max_size=3), min_size=count, max_size=count)))
    elif datatype is Datatype.BOOL:
        data = bytes(draw(st.lists(st.integers(0, 2), min_size=count, max_size=count)))
    else:
        data = b"\7" * (count * ITEM_SIZE[datatype])
    size = len(data) + draw(st.sampled_from([0, 0, 0, 0, 1, -1]))
    entry = {"name": draw(st.sampled_from(["a", "b"])), "datatype": datatype, "shape": shape}
    entry["parameters"] = {"binary_data_size": size}
    if draw(st.integers(0, 9)) == 0:
        entry["data"] = [1]
    return entry, data


@st.composite
def requests(draw):
    """A header and its tail; the id may be first, elsewhere, twice or nowhere."""
    entries = draw(st.lists(inputs(), max_size=3))
    fields = [(b'"inputs"', orjson.dumps([entry for entry, _ in entries]))]
    if draw(st.booleans()):
        fields.append((b'"parameters"', orjson.dumps(draw(PARAMETERS))))
    if draw(st.booleans()):
        fields.append((b'"outputs"', orjson.dumps(draw(OUTPUTS))))
    for _ in range(draw(st.integers(0, 2))):
        text = orjson.dumps(draw(IDS))
        fields.insert(draw(st.integers(0, len(fields))), (b'"id"', text))
    space = draw(st.sampled_from([b"", b" "]))
    header = b"{" + b",".join(k + b":" + space + v for k, v in fields) + b"}"
    return header, b"".join(data for _, data in entries)


def meaning(decode, header: bytes, tail: bytes):
    """All that comes of a request: its decoding, tensors as bytes, or its refusal."""
    try:
        request, form = decode("m", "3", header + tail, len(header), NOW)
    except ServingError as error:
        return type(error), error.message
    inputs = [(t.name, t.datatype, t.shape, bytes(t.data)) for t in request.inputs]
    rest = (request.model, request.version, request.id, request.outputs, request.deadline_ns)
    return inputs, rest, request.priority, request.signature, dict(request.parameters), form


@given(requests())
def test_a_plan_means_what_the_general_way_means(request_):
    expected = meaning(decode_request, *request_)
    assert meaning(decode_planned, *request_) == expected
    assert meaning(decode_planned, *request_) == expected


@given(requests(), st.data())
def test_a_damaged_request_ends_the_same_way(request_, data):
    header, tail = request_
    at = data.draw(st.integers(0, len(header) - 1))
    some = st.one_of(st.binary(max_size=2), st.sampled_from([b'"id":"x",', b",", b"}", b"\xff"]))
    damaged = header[:at] + data.draw(some) + header[at + data.draw(st.integers(0, 2)) :]
    meaning(decode_planned, header, tail)
    for body in (tail, tail + b"x", tail[1:]):
        assert meaning(decode_planned, damaged, body) == meaning(decode_request, damaged, body)


HEADER = (
    b'{"id":"%s","inputs":[{"name":"a","datatype":"INT8","shape":[2],'
    b'"parameters":{"binary_data_size":2}}]}'
)


def test_requests_that_differ_by_their_id_share_a_plan_and_nothing_else():
    request_plan._plan.cache_clear()
    first, _ = decode_planned("m", "", HEADER % b"one" + b"AB", len(HEADER % b"one"), NOW)
    second, _ = decode_planned("n", "1", HEADER % b"two" + b"CD", len(HEADER % b"two"), NOW)
    assert request_plan._plan.cache_info().misses == 1
    assert (first.model, first.id, bytes(first.inputs[0].data)) == ("m", "one", b"AB")
    assert (second.model, second.id, bytes(second.inputs[0].data)) == ("n", "two", b"CD")


def test_what_is_remembered_is_bounded():
    request_plan._plan.cache_clear()
    long = HEADER % (b"x" * MAX_HEADER_BYTES)
    with pytest.raises(ServingError, match="'id' has 4096 characters"):
        decode_planned("m", "", long + b"AB", len(long), NOW)
    assert request_plan._plan.cache_info().currsize == 0
    for number in range(2 * request_plan._PLANS):
        header = HEADER.replace(b'"a"', b'"a%d"' % number) % b""
        decode_planned("m", "", header + b"AB", len(header), NOW)
    assert request_plan._plan.cache_info().currsize == request_plan._PLANS
