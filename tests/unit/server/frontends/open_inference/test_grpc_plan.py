"""A gRPC request with raw contents means the same by a plan as without one."""

from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st

from protos import inference_pb2 as pb
from runtimes.contract.tensor import ITEM_SIZE, Datatype, element_count, pack_bytes
from server.errors import ServingError
from server.frontends.grpc_wire import field_start
from server.frontends.open_inference import grpc_plan
from server.frontends.open_inference.grpc_codec import decode_infer
from server.frontends.open_inference.grpc_plan import MAX_HEAD_BYTES, decode_planned
from tests.unit.server.frontends.grpc_double import infer_message

NOW, DEADLINE = 1000, 10**15


@st.composite
def messages(draw):
    """Requests that are mostly right, with all that may stand in them."""
    message = pb.ModelInferRequest(
        model_name=draw(st.sampled_from(["m", "model", ""])),
        model_version=draw(st.sampled_from(["", "3", "stable", "-1"])),
        id=draw(st.text(st.characters(exclude_categories=["Cs"]), max_size=4)),
    )
    for name in draw(st.lists(st.sampled_from(["timeout", "priority", "custom", "headers"]))):
        message.parameters[name].int64_param = draw(st.integers(-1, 9))
    if draw(st.booleans()):
        message.parameters["signature_name"].string_param = draw(st.sampled_from(["", "s"]))
    for name in draw(st.lists(st.sampled_from(["y", "z", ""]), max_size=2)):
        output = message.outputs.add(name=name)
        if draw(st.booleans()):
            output.parameters["classification"].int64_param = draw(st.integers(0, 2))
    for _ in range(draw(st.integers(0, 3))):
        datatype = draw(st.sampled_from(list(Datatype)))
        shape = draw(st.lists(st.integers(-1, 3), max_size=2))
        name = draw(st.sampled_from(["a", "b", ""]))
        tensor = message.inputs.add(name=name, datatype=datatype, shape=shape)
        if draw(st.integers(0, 9)) == 0:
            tensor.contents.int_contents.append(1)
        count = max(0, element_count(shape))
        data = b"\1" * (count * ITEM_SIZE.get(datatype, 0))
        if datatype is Datatype.BYTES:
            data = pack_bytes([b"ab"] * count)
        message.raw_input_contents.append(data + draw(st.sampled_from([b"", b"", b"", b"x"])))
    if draw(st.integers(0, 9)) == 0:
        message.raw_input_contents.append(b"")
    return message


def meaning(decode, payload: bytes):
    """All that comes of a message: its decoding, tensors as bytes, or its refusal."""
    try:
        decoded = decode(payload, NOW, DEADLINE)
    except ServingError as error:
        return type(error), error.message
    if decoded is None:
        return None
    request = decoded.request
    inputs = [(t.name, t.datatype, t.shape, bytes(t.data)) for t in request.inputs]
    rest = (request.model, request.version, request.id, request.outputs, request.deadline_ns)
    return (
        inputs,
        rest,
        request.priority,
        request.signature,
        dict(request.parameters),
        dict(decoded.classes),
    )


def agrees(payload: bytes) -> None:
    planned = meaning(decode_planned, payload)
    assert planned in (None, meaning(decode_infer, payload))


@given(messages())
def test_a_plan_means_what_the_general_way_means(message):
    payload = message.SerializeToString()
    agrees(payload)
    agrees(payload)


@given(messages(), st.data())
def test_a_damaged_message_is_never_read_otherwise(message, data):
    payload = message.SerializeToString()
    agrees(payload)
    at = data.draw(st.integers(0, len(payload)))
    more = st.sampled_from([b"\x1a\x00", b"\x1a\x01i", b"\x3a\x00", b"\x0a\x01n", b"\x2a\x00"])
    damage = data.draw(st.one_of(st.binary(max_size=2), more))
    agrees(payload[:at] + damage + payload[at + data.draw(st.integers(0, 2)) :])


@given(st.binary(max_size=60))
@example(b"\x0a\x80\x80\x80")
@example(b"\x0a\xff")
@example(b"\x0a")
@example(b"")
def test_no_bytes_are_read_otherwise(payload):
    agrees(payload)


def test_a_good_request_is_planned_and_its_contents_are_views():
    message = infer_message(id_="one")
    payload = message.SerializeToString()
    decoded = decode_planned(payload, NOW, 0)
    assert decoded is not None
    data = decoded.request.inputs[0].data
    assert isinstance(data, memoryview)
    assert data.obj is payload
    assert meaning(decode_planned, payload) == meaning(decode_infer, payload)


def test_requests_that_differ_by_their_id_share_a_plan_and_nothing_else():
    grpc_plan._plan.cache_clear()
    found = {}
    for id_ in ("one", "another"):
        message = infer_message(id_=id_)
        message.raw_input_contents[0] = id_.ljust(8).encode()
        decoded = decode_planned(message.SerializeToString(), NOW, 0)
        assert decoded is not None
        found[decoded.request.id] = bytes(decoded.request.inputs[0].data)
    assert found == {"one": b"one     ", "another": b"another "}
    assert grpc_plan._plan.cache_info().misses == 1


def test_what_is_remembered_is_bounded():
    grpc_plan._plan.cache_clear()
    long = infer_message(model="x" * MAX_HEAD_BYTES).SerializeToString()
    assert decode_planned(long, NOW, 0) is None
    assert grpc_plan._plan.cache_info().currsize == 0
    for number in range(2 * grpc_plan._PLANS):
        assert decode_planned(infer_message(f"m{number}").SerializeToString(), NOW, 0)
    assert grpc_plan._plan.cache_info().currsize == grpc_plan._PLANS


def test_two_ids_are_left_to_the_general_way():
    message = infer_message(id_="one").SerializeToString()
    cut = message.index(b"\x1a\x03one")
    twice = message[:cut] + field_start(3, 0) + message[cut:]
    assert decode_planned(twice, NOW, 0) is None
    assert decode_infer(twice, NOW).request.id == "one"
