import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protos import inference_pb2 as pb
from runtimes.contract.messages import Timings
from runtimes.contract.tensor import Datatype, Tensor, pack_bytes
from server.errors import InvalidArgument, ServingError, Unsupported
from server.frontends.open_inference.grpc_codec import (
    decode_infer,
    encode_infer,
    encode_stream_error,
    encode_stream_infer,
    version_number,
)
from server.frontends.open_inference.grpc_tensors import MAX_INPUTS
from server.inference import InferenceResponse
from tests.unit.server.frontends.grpc_double import infer_message

NOW = 1_000_000


def _typed(datatype, shape, **contents):
    message = pb.ModelInferRequest(model_name="adder")
    tensor = message.inputs.add(name="x", datatype=datatype, shape=shape)
    tensor.contents.SetInParent()
    for field, values in contents.items():
        getattr(tensor.contents, field).extend(values)
    return message


def _decode(message, deadline_ns=0):
    return decode_infer(message.SerializeToString(), NOW, deadline_ns)


def _error(message):
    with pytest.raises(ServingError) as caught:
        _decode(message)
    return caught.value


def test_a_raw_request_is_decoded_whole():
    message = infer_message(id_="r1")
    message.model_version = "2"
    message.outputs.add(name="y")
    message.outputs.add(name="z").parameters["classification"].int64_param = 2
    message.parameters["timeout"].int64_param = 7
    message.parameters["priority"].uint64_param = 4
    message.parameters["binary_data_output"].bool_param = True
    message.parameters["temperature"].double_param = 0.5
    decoded = _decode(message)
    request = decoded.request
    data = b"\x00\x00\x80\x3f\x00\x00\x00\x40"
    assert request.inputs == (Tensor("x", Datatype.FP32, (1, 2), data),)
    assert (request.model, request.version, request.id) == ("adder", "2", "r1")
    assert request.outputs == ("y", "z")
    assert decoded.classes == {"z": 2}
    assert request.deadline_ns == NOW + 7000
    assert request.priority == 4
    assert request.parameters == {"temperature": 0.5}


@pytest.mark.parametrize(
    ("datatype", "field", "values", "packed"),
    [
        ("BOOL", "bool_contents", [True, False], b"\x01\x00"),
        ("INT8", "int_contents", [-128, 127], struct.pack("<2b", -128, 127)),
        ("INT16", "int_contents", [-32768, 32767], struct.pack("<2h", -32768, 32767)),
        ("INT32", "int_contents", [-(2**31), 5], struct.pack("<2i", -(2**31), 5)),
        ("INT64", "int64_contents", [-(2**63), 5], struct.pack("<2q", -(2**63), 5)),
        ("UINT8", "uint_contents", [0, 255], b"\x00\xff"),
        ("UINT16", "uint_contents", [0, 65535], struct.pack("<2H", 0, 65535)),
        ("UINT32", "uint_contents", [0, 2**32 - 1], struct.pack("<2I", 0, 2**32 - 1)),
        ("UINT64", "uint64_contents", [0, 2**64 - 1], struct.pack("<2Q", 0, 2**64 - 1)),
        ("FP32", "fp32_contents", [1.5, float("inf")], struct.pack("<2f", 1.5, float("inf"))),
        ("FP64", "fp64_contents", [1.1, -0.0], struct.pack("<2d", 1.1, -0.0)),
        ("BYTES", "bytes_contents", [b"", b"ab"], pack_bytes([b"", b"ab"])),
    ],
)
def test_typed_contents_become_the_same_bytes_as_raw(datatype, field, values, packed):
    message = _typed(datatype, [2], **{field: values})
    assert _decode(message).request.inputs == (Tensor("x", Datatype(datatype), (2,), packed),)


@pytest.mark.parametrize(
    ("datatype", "field", "value"),
    [
        ("INT8", "int_contents", 128),
        ("INT8", "int_contents", -129),
        ("INT16", "int_contents", 32768),
        ("UINT8", "uint_contents", 256),
        ("UINT16", "uint_contents", 65536),
    ],
)
def test_a_value_out_of_the_datatypes_range_is_refused(datatype, field, value):
    error = _error(_typed(datatype, [1], **{field: [value]}))
    assert isinstance(error, InvalidArgument)
    assert f"out of range for {datatype}" in error.message


def test_a_scalar_and_an_empty_tensor_are_accepted():
    scalar = _typed("INT32", [], int_contents=[5])
    empty = _typed("FP32", [0, 3])
    assert _decode(scalar).request.inputs[0].data == struct.pack("<i", 5)
    assert _decode(empty).request.inputs == (Tensor("x", Datatype.FP32, (0, 3), b""),)


def _with(change):
    message = infer_message()
    change(message)
    return message


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda m: m.ClearField("model_name"), "model_name is empty"),
        (
            lambda m: setattr(m, "model_version", "1.0"),
            "failed to get model version from specified version string '1.0'; expected a whole "
            "number or a label",
        ),
        (lambda m: setattr(m.inputs[0], "name", ""), "inputs[0] has no name"),
        (lambda m: setattr(m.inputs[0], "datatype", "FLOAT"), "'FLOAT', expected one of BOOL"),
        (lambda m: m.raw_input_contents.append(b""), "raw_input_contents has 2 entries"),
        (
            lambda m: m.inputs[0].contents.fp32_contents.append(1),
            "contents while the request has raw_input_contents",
        ),
        (lambda m: m.inputs[0].shape.append(2), "has 8 bytes, expected 16 for FP32 [1,2,2]"),
        (lambda m: m.inputs[0].shape.append(-1), "dimension -1"),
        (lambda m: m.inputs[0].shape.extend([2**62, 2**62]), "elements, expected at most"),
        (lambda m: m.inputs[0].shape.extend([1] * 40), "rank 42"),
        (lambda m: m.outputs.add(), "outputs[0] has no name"),
        (
            lambda m: (
                m.outputs.add(name="y")
                .parameters["classification"]
                .CopyFrom(pb.InferParameter(int64_param=0))
            ),
            "'classification' of output 'y' must be an integer from 1",
        ),
        (
            lambda m: (
                m.outputs.add(name="y")
                .parameters["classification"]
                .CopyFrom(pb.InferParameter(bool_param=True))
            ),
            "'classification' of output 'y' must be an integer from 1",
        ),
        (lambda m: m.parameters["timeout"].SetInParent(), "parameter 'timeout' has no value"),
        (
            lambda m: m.parameters["timeout"].CopyFrom(pb.InferParameter(string_param="5")),
            "parameter 'timeout'",
        ),
        (
            lambda m: m.parameters["priority"].CopyFrom(pb.InferParameter(int64_param=-1)),
            "parameter 'priority'",
        ),
        (
            lambda m: m.parameters["triton_x"].CopyFrom(pb.InferParameter(bool_param=True)),
            "'triton_x' is reserved",
        ),
        (lambda m: setattr(m, "id", "a\nb"), "control characters"),
    ],
)
def test_a_wrong_field_is_named(change, words):
    error = _error(_with(change))
    assert isinstance(error, InvalidArgument)
    assert words in error.message


@pytest.mark.parametrize(
    ("message", "words"),
    [
        (_typed("FP16", [1], fp32_contents=[1]), "FP16, which only raw_input_contents carries"),
        (_typed("BF16", [0]), "BF16, which only raw_input_contents carries"),
        (_typed("INT8", [1], fp32_contents=[1]), "data in fp32_contents, expected in int_contents"),
        (_typed("FP32", [2], fp32_contents=[1]), "1 elements in fp32_contents, expected 2"),
        (_typed("FP32", [2]), "0 elements in fp32_contents, expected 2"),
        (_typed("FP32", [-1], fp32_contents=[1]), "dimension -1"),
    ],
)
def test_wrong_typed_contents_are_refused(message, words):
    error = _error(message)
    assert isinstance(error, InvalidArgument)
    assert words in error.message


@pytest.mark.parametrize("raw", [b"\x05\x00\x00\x00ab", b"\x01", pack_bytes([b"a", b"b"])])
def test_bytes_elements_that_do_not_add_up_are_refused(raw):
    message = infer_message()
    message.inputs[0].datatype = "BYTES"
    message.inputs[0].shape[:] = [1]
    message.raw_input_contents[0] = raw
    assert "input 'x'" in _error(message).message


@pytest.mark.parametrize(
    "change",
    [
        lambda m: m.parameters["sequence_id"].CopyFrom(pb.InferParameter(int64_param=1)),
        lambda m: (
            m.inputs[0]
            .parameters["shared_memory_region"]
            .CopyFrom(pb.InferParameter(string_param="r"))
        ),
        lambda m: (
            m.outputs.add(name="y")
            .parameters["shared_memory_region"]
            .CopyFrom(pb.InferParameter(string_param="r"))
        ),
    ],
)
def test_what_is_not_offered_is_called_unsupported(change):
    assert isinstance(_error(_with(change)), Unsupported)


def test_asking_for_an_empty_final_response_is_allowed_and_not_passed_on():
    message = infer_message()
    message.parameters["triton_enable_empty_final_response"].bool_param = True
    assert _decode(message).request.parameters == {}


def test_too_many_inputs_are_refused_before_any_is_read():
    message = pb.ModelInferRequest(model_name="adder")
    for _ in range(MAX_INPUTS + 1):
        message.inputs.add()
    assert f"expected at most {MAX_INPUTS}" in _error(message).message


@pytest.mark.parametrize(
    ("timeout_us", "call_deadline", "expected"),
    [
        (0, 0, 0),
        (0, NOW + 5, NOW + 5),
        (1, 0, NOW + 1000),
        (1, NOW + 500, NOW + 500),
        (1, NOW + 5000, NOW + 1000),
        (2**63 - 1, 0, 2**63 - 1),
    ],
)
def test_the_sooner_deadline_holds(timeout_us, call_deadline, expected):
    message = infer_message()
    message.parameters["timeout"].int64_param = timeout_us
    assert _decode(message, call_deadline).request.deadline_ns == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ""),
        ("1", "1"),
        ("007", "7"),
        ("9" * 18, "9" * 18),
        ("v1", "v1"),
        ("x", "x"),
        ("Blue_2-b",) * 2,
    ],
)
def test_versions_are_written_one_way_and_labels_are_left_alone(text, expected):
    assert version_number(text) == expected


@pytest.mark.parametrize(
    "text",
    ["-1", "1.0", " 1", "²", "٣", "9" * 19, "../1", "1e3", "a b", "_a", "-a", "ä", "a" * 65, "a.b"],
)
def test_what_is_neither_a_version_number_nor_a_label_is_refused(text):
    with pytest.raises(InvalidArgument, match="failed to get model version"):
        version_number(text)


@st.composite
def _responses(draw):
    outputs = draw(st.lists(st.tuples(st.text(max_size=5), st.binary(max_size=300)), max_size=4))
    tensors = tuple(
        Tensor(name, Datatype.UINT8, (len(data),), memoryview(data)) for name, data in outputs
    )
    return InferenceResponse("m", "4", draw(st.text(max_size=5)), tensors, Timings())


@given(_responses())
def test_an_encoded_response_is_read_back_by_protobuf(response):
    message = pb.ModelInferResponse.FromString(encode_infer(response))
    assert (message.model_name, message.model_version, message.id) == ("m", "4", response.id)
    assert [(o.name, o.datatype, list(o.shape)) for o in message.outputs] == [
        (tensor.name, "UINT8", list(tensor.shape)) for tensor in response.outputs
    ]
    raw = list(message.raw_output_contents)
    assert raw == [bytes(tensor.data) for tensor in response.outputs]
    streamed = pb.ModelStreamInferResponse.FromString(encode_stream_infer(response))
    assert streamed.error_message == ""
    assert streamed.infer_response.parameters["triton_final_response"].bool_param
    del streamed.infer_response.parameters["triton_final_response"]
    assert streamed.infer_response == message


def test_a_failed_request_on_a_stream_is_told_by_its_id():
    message = pb.ModelStreamInferResponse.FromString(encode_stream_error("no", "r9"))
    assert (message.error_message, message.infer_response.id) == ("no", "r9")
