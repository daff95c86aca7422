"""Bad input over gRPC to a real server: each row its exact status, and nobody is harmed."""

from __future__ import annotations

import grpc
import numpy as np
import pytest

from protos import inference_pb2 as pb
from tests.harness.hostile import IMAGE, LIMIT, Watched, check_discreet, watched
from tests.harness.hostile_grpc import (
    SERVICE,
    Input,
    Request,
    call,
    good,
    pair,
    raw,
    refuse,
    renamed,
    tensor,
    typed,
)

INVALID = grpc.StatusCode.INVALID_ARGUMENT
NOT_FOUND = grpc.StatusCode.NOT_FOUND
UNAVAILABLE = grpc.StatusCode.UNAVAILABLE
UNIMPLEMENTED = grpc.StatusCode.UNIMPLEMENTED
EXHAUSTED = grpc.StatusCode.RESOURCE_EXHAUSTED

Wanted = Request.InferRequestedOutputTensor


@pytest.fixture(scope="module")
def server(tmp_path_factory, demo_repository):
    with watched(tmp_path_factory.mktemp("models"), demo_repository) as found:
        yield found


@pytest.fixture(scope="module")
def channel(server: Watched):
    options = [("grpc.max_send_message_length", -1), ("grpc.max_receive_message_length", -1)]
    with grpc.insecure_channel(server.server.grpc_address, options) as found:
        yield found


@pytest.fixture(autouse=True)
def unharmed(server: Watched, channel: grpc.Channel):
    yield
    server.check_unharmed()
    # Over gRPC too, on the connection that just carried the bad request.
    answer = pb.ModelInferResponse.FromString(call(channel, "ModelInfer", good()))
    (output,) = answer.raw_output_contents
    assert abs(np.frombuffer(output, np.float32).sum() - 1) < 1e-5


LEFT, RIGHT = (Input(name=name, datatype="FP32", shape=[1, 2]) for name in ("left", "right"))

MODELS = {
    "unknown model": (good(model_name="nope"), NOT_FOUND, "unknown model: 'nope' is not found"),
    "no model": (good(model_name=""), INVALID, "model_name is empty, expected the name"),
    "unknown version": (good(model_version="7"), NOT_FOUND, "'digits-onnx' version 7 is not found"),
    "version 0": (good(model_version="0"), NOT_FOUND, "version 0 is not found"),
    "a negative version": (good(model_version="-1"), INVALID, "string '-1'; expected a whole"),
    "an unknown label": (good(model_version="latest"), NOT_FOUND, "label latest is not found"),
    "a version that is no label": (good(model_version="1.0"), INVALID, "expected a whole number"),
    "a version over 64 bits": (good(model_version=str(2**64)), INVALID, "expected a whole number"),
    "a version in other digits": (good(model_version="\u0661"), INVALID, "expected a whole"),
    "an endless version": (good(model_version="1" * 100_000), INVALID, "expected a whole number"),
    "not ready": (good(model_name="broken"), UNAVAILABLE, "'broken' has no available versions"),
    "a version not ready": (
        good(model_name="broken", model_version="1"), UNAVAILABLE,
        "'broken' version 1 is not at ready state",
    ),
}  # fmt: skip

TENSORS = {
    "wrong datatype": (
        raw(datatype="INT32"), INVALID,
        "input 'image' data-type is 'INT32', but model 'digits-onnx' expects 'FP32'",
    ),
    "unknown datatype": (raw(datatype="FP8"), INVALID, "'image' has datatype 'FP8', expected one"),
    "no datatype": (raw(datatype=""), INVALID, "'image' has datatype '', expected one of BOOL"),
    "wrong shape": (
        raw(bytes(288), shape=[1, 1, 8, 9]), INVALID,
        "input 'image' for model 'digits-onnx'. Expected [-1,1,8,8], got [1,1,8,9]",
    ),
    "wrong rank": (raw(shape=[1, 64]), INVALID, "Expected [-1,1,8,8], got [1,64]"),
    "too high a rank": (raw(shape=[1] * 17), INVALID, "rank 17, expected at most 16"),
    "a rank as long as a message": (raw(shape=[1] * 500_000), INVALID, "expected at most 16"),
    "no shape": (raw(shape=[]), INVALID, "'image' has 256 bytes, expected 4 for FP32 []"),
    "too many rows": (
        raw(bytes(65 * 256), shape=[65, 1, 8, 8]), INVALID, "batch-size must be <= 64",
    ),
    "too few bytes": (raw(bytes(255)), INVALID, "'image' has 255 bytes, expected 256 for FP32"),
    "too many bytes": (raw(bytes(257)), INVALID, "'image' has 257 bytes, expected 256 for FP32"),
    "no bytes": (raw(b""), INVALID, "'image' has 0 bytes, expected 256"),
    "too few elements": (
        typed(fp32_contents=[0] * 63), INVALID, "'image' has 63 elements in fp32_contents",
        "expected 64 for shape [1,1,8,8]",
    ),
    "another type's elements": (
        typed(int64_contents=[0] * 64), INVALID, "has data in int64_contents, expected in fp32_",
    ),
    "elements of two types": (
        typed(fp32_contents=[0] * 64, bool_contents=[True]), INVALID, "expected in fp32_contents",
    ),
    "beyond its datatype": (
        typed({"datatype": "INT8"}, int_contents=[128] * 64), INVALID, "out of range for INT8",
    ),
    "half floats as elements": (
        typed({"datatype": "FP16"}, fp32_contents=[0] * 64), INVALID, "only raw_input_contents",
    ),
    "raw and typed": (
        good(inputs=[tensor(contents=pb.InferTensorContents(fp32_contents=[0] * 64))]), INVALID,
        "'image' has contents while the request has raw_input_contents",
    ),
    "a negative dim": (raw(shape=[-1, 1, 8, 8]), INVALID, "dimension -1, expected 0 or more"),
    "the lowest dim": (raw(shape=[-(2**63), 4]), INVALID, "expected 0 or more"),
    "overflowing dims": (raw(shape=[2**62, 4]), INVALID, "elements, expected at most"),
    "the highest dims": (raw(shape=[2**63 - 1] * 16), INVALID, "elements, expected at most"),
    "dims that wrap to 64": (raw(shape=[2**62, 4, 64]), INVALID, "elements, expected at most"),
    "overflowing dims of elements": (
        typed({"shape": [2**62, 4]}, fp32_contents=[0]), INVALID, "elements, expected at most",
    ),
    "a huge dim times zero": (raw(b"", shape=[0, 1, 8, 2**62]), INVALID, "got [0,1,8,"),
    "missing input": (pair(LEFT), INVALID, "missing required input(s) ['right']"),
    "no inputs": (good(inputs=[], raw_input_contents=[]), INVALID, "expected 1 inputs but got 0"),
    "extra input": (
        pair(LEFT, RIGHT, Input(name="third", datatype="FP32", shape=[1, 2])), INVALID,
        "unexpected inference input 'third'", "Its inputs are ['left', 'right']",
    ),
    "duplicate input": (pair(LEFT, LEFT), INVALID, "['left'] given more than once"),
    "more inputs than any model has": (
        good(inputs=[tensor()] * 1025), INVALID, "1025 inputs, expected at most 1024",
    ),
    "fewer contents than inputs": (good(raw_input_contents=[]), INVALID, "fp32_contents"),
    "more contents than inputs": (
        good(raw_input_contents=[IMAGE.tobytes()] * 2), INVALID, "raw_input_contents",
    ),
    "an input without a name": (raw(name=""), INVALID, "inputs[0] has no name"),
    "unknown output": (
        good(outputs=[Wanted(name="label")]), INVALID,
        "unexpected inference output 'label'", "Its outputs are ['probabilities']",
    ),
    "duplicate output": (
        good(outputs=[Wanted(name="probabilities")] * 2), INVALID, "more than once",
    ),
    "more outputs than any model has": (
        good(outputs=[Wanted(name="label")] * 1025), INVALID, "expected at most 1024",
    ),
    "an output without a name": (good(outputs=[Wanted()]), INVALID, "outputs[0] has no name"),
    "a parameter without a value": (
        good(parameters={"p": pb.InferParameter()}), INVALID, "parameter 'p' has no value",
    ),
    "a reserved parameter": (
        good(parameters={"triton_x": pb.InferParameter(bool_param=True)}), INVALID, "'triton_x'",
    ),
    "a negative timeout": (
        good(parameters={"timeout": pb.InferParameter(int64_param=-1)}), INVALID, "'timeout' must",
    ),
    "shared memory": (
        raw(parameters={"shared_memory_region": pb.InferParameter(string_param="/dev/shm/x")}),
        UNIMPLEMENTED, "'image' has parameter 'shared_memory_region'",
    ),
    "an endless id": (good(id="i" * 1025), INVALID, "'id' has 1025 characters, expected at most"),
    "a bytes tensor that ends early": (
        Request(
            model_name="words",
            inputs=[Input(name="text", datatype="BYTES", shape=[1])],
            raw_input_contents=[b"\xff\xff\xff\xffabc"],
        ), INVALID, "input 'text': a BYTES element says it has 4294967295 bytes but only 3 follow",
    ),
    "a bytes tensor with too many": (
        Request(
            model_name="words",
            inputs=[Input(name="text", datatype="BYTES", shape=[1])],
            raw_input_contents=[bytes(8)],
        ), INVALID, "input 'text' has 2 BYTES elements, expected 1 for shape [1]",
    ),
}  # fmt: skip

PAYLOADS = {
    "garbage": b"\xff" * 100,
    "text": b"hello",
    "cut off": good().SerializeToString()[:-1],
    "a field beyond the end": b"\x0a\xff\xff\xff\xff\x0f",
    "an endless varint": b"\x08" + b"\xff" * 20,
    "groups in groups": b"\x0b" * 100_000,
    "a model's name not UTF-8": renamed(good(), b"digits-onnx", b"digits\xffonnx"),
    "an overlong model's name": renamed(good(), b"digits-onnx", b"digits\xc0\xafnnx"),
    "a surrogate in a name": renamed(good(), b"digits-onnx", b"digits\xed\xa0\x80nx"),
    "an input's name not UTF-8": renamed(good(), b"image", b"im\xfege"),
    "an output's name not UTF-8": renamed(
        good(outputs=[Wanted(name="label")]), b"label", b"\xff" * 5
    ),
}


@pytest.mark.parametrize("case", MODELS)
def test_a_model_that_cannot_answer_is_told_by_name(channel, case):
    refuse(channel, *MODELS[case])


@pytest.mark.parametrize("case", TENSORS)
def test_a_request_that_contradicts_the_model_names_field_and_expectation(channel, case):
    refuse(channel, *TENSORS[case])


@pytest.mark.parametrize("case", PAYLOADS)
def test_what_is_no_message_is_refused(channel, case):
    refuse(channel, PAYLOADS[case], INVALID, "not a valid ModelInferRequest")


@pytest.mark.parametrize(
    "name",
    [
        "../../etc/passwd", "%2e%2e%2fetc", "..", "/etc/passwd", "..\\..\\windows", "\0",
        "digits-onnx\0", "digits-onnx/../digits-onnx", "digits-onnx/1/model.onnx",
        "\N{FULLWIDTH SOLIDUS}etc", "a\r\nx: y", "~root", "DIGITS-ONNX", " digits-onnx", "\u202ex",
    ],
)  # fmt: skip
def test_a_path_trick_in_a_models_name_is_only_an_unknown_model(channel, name):
    for method, message in (
        ("ModelInfer", good(model_name=name)),
        ("ModelMetadata", pb.ModelMetadataRequest(name=name)),
        ("ModelConfig", pb.ModelConfigRequest(name=name)),
        ("ModelStatistics", pb.ModelStatisticsRequest(name=name)),
    ):
        refuse(channel, message, NOT_FOUND, f"unknown model: '{name}'", method=method)


@pytest.mark.parametrize("length", [5000, LIMIT // 2])
def test_an_endless_name_is_an_unknown_model_and_comes_back_cut(channel, length):
    refuse(channel, good(model_name="n" * length), NOT_FOUND, "unknown model: 'nnn")


@pytest.mark.parametrize("name", ["../../secret", "\0", "a\nb", "n" * 1000, "%s%n", "{0}"])
def test_a_path_trick_in_a_tensors_name_is_only_a_wrong_name(channel, name):
    refuse(channel, raw(name=name), INVALID, f"unexpected inference input '{name}'")
    asked = good(outputs=[Wanted(name=name)])
    refuse(channel, asked, INVALID, f"unexpected inference output '{name}'")


def test_too_large_a_message_is_refused_with_the_setting(channel):
    message = raw(bytes(LIMIT))
    refuse(channel, message, EXHAUSTED, f"max_message_bytes ({LIMIT} bytes)", "--max-message-bytes")


def test_far_too_large_a_message_is_refused_before_it_is_read(channel, server):
    before = server.process.memory_info().rss
    refuse(channel, raw(bytes(200 * 2**20)), EXHAUSTED, "larger than max")
    assert server.process.memory_info().rss - before < 64 * 2**20


@pytest.mark.parametrize(("size", "text"), [(2 * LIMIT, "max_message_bytes"), (200 * 2**20, "max")])
@pytest.mark.parametrize("coding", [grpc.Compression.Gzip, grpc.Compression.Deflate])
def test_a_decompression_bomb_is_refused(channel, server, size, text, coding):
    before = server.process.memory_info().rss
    refuse(channel, raw(bytes(size)), EXHAUSTED, text, compression=coding)
    assert server.process.memory_info().rss - before < 64 * 2**20


def test_an_answer_over_the_limit_is_refused_with_the_setting(channel):
    # The echoed tensor comes back with a longer name and the version besides.
    empty = Request(
        model_name="bytes",
        inputs=[Input(name="b", datatype="UINT8", shape=[0])],
        raw_input_contents=[b""],
    )
    size = LIMIT - len(empty.SerializeToString()) - 10
    message = Request()
    message.CopyFrom(empty)
    message.inputs[0].shape[:] = [size]
    message.raw_input_contents[0] = bytes(size)
    assert len(message.SerializeToString()) <= LIMIT
    refuse(channel, message, EXHAUSTED, "the response has", f"max_message_bytes ({LIMIT})")


@pytest.mark.parametrize("size", [2 * LIMIT, 50 * LIMIT])
def test_a_models_answer_over_the_limit_harms_not_even_its_worker(channel, size):
    wanted = (size // 4).to_bytes(8, "little")
    message = Request(
        model_name="growing",
        inputs=[Input(name="size", datatype="INT64", shape=[1])],
        raw_input_contents=[wanted],
    )
    refuse(channel, message, EXHAUSTED, "bytes, more than", "--max-message-bytes")


@pytest.mark.parametrize(
    ("method", "text"),
    [
        ("NoSuchMethod", "Method not found"),
        ("modelInfer", "Method not found"),
        ("ModelInfer/", "Method not found"),
        ("../ModelInfer", "Method not found"),
        ("n" * 5000, "Method not found"),
    ],
)
def test_an_unknown_method_is_unimplemented(channel, method, text):
    refuse(channel, good(), UNIMPLEMENTED, text, method=method)


@pytest.mark.parametrize(
    ("method", "message", "text"),
    [
        ("RepositoryModelLoad", pb.RepositoryModelLoadRequest(model_name="x"), "load / unload"),
        ("RepositoryModelUnload", pb.RepositoryModelUnloadRequest(model_name="x"), "load / unload"),
        (
            "RepositoryModelLoad",
            pb.RepositoryModelLoadRequest(
                model_name="../x",
                parameters={
                    "file:../../etc/cron.d/x": pb.ModelRepositoryParameter(bytes_param=b"x")
                },
            ),
            "load / unload is not allowed",
        ),
        (
            "RepositoryIndex",
            pb.RepositoryIndexRequest(repository_name="elsewhere"),
            "'repository_name' specification is not supported",
        ),
        (
            "SystemSharedMemoryRegister",
            pb.SystemSharedMemoryRegisterRequest(name="x", key="/x", byte_size=2**63),
            "shared memory regions are not offered",
        ),
    ],
)
def test_what_is_not_offered_is_unimplemented(channel, method, message, text):
    refuse(channel, message, UNIMPLEMENTED, text, method=method)


@pytest.mark.parametrize(
    "method",
    [
        "ModelReady", "ModelMetadata", "ModelConfig", "ModelStatistics", "RepositoryIndex",
        "RepositoryModelLoad", "TraceSetting", "LogSettings", "SystemSharedMemoryStatus",
    ],
)  # fmt: skip
def test_garbage_is_no_message_of_any_method(channel, method):
    refuse(channel, b"\xff" * 10, INVALID, f"not a valid {method}Request", method=method)


def test_a_failed_model_is_not_ready_and_has_no_metadata(channel):
    answer = call(channel, "ModelReady", pb.ModelReadyRequest(name="broken"))
    assert not pb.ModelReadyResponse.FromString(answer).ready
    for method, message in (
        ("ModelMetadata", pb.ModelMetadataRequest(name="broken")),
        ("ModelConfig", pb.ModelConfigRequest(name="broken")),
    ):
        refuse(channel, message, UNAVAILABLE, "'broken' has no available", method=method)


def test_a_bad_message_in_a_stream_spoils_neither_its_neighbours_nor_the_stream(channel):
    bad = [raw(datatype="INT32", name="image"), raw(bytes(3)), good(model_name="broken")]
    messages = [good(id="first"), *bad, b"\xff\xff", good(id="last")]
    payloads = [m if isinstance(m, bytes) else m.SerializeToString() for m in messages]
    stream = channel.stream_stream(SERVICE + "ModelStreamInfer")
    answers = [
        pb.ModelStreamInferResponse.FromString(answer)
        for answer in stream(iter(payloads), timeout=20)
    ]
    assert [bool(answer.error_message) for answer in answers] == [False, *[True] * 4, False]
    assert [answers[0].infer_response.id, answers[-1].infer_response.id] == ["first", "last"]
    for answer in answers:
        check_discreet(answer.error_message)


def test_too_large_a_message_ends_its_stream_with_the_setting(channel):
    stream = channel.stream_stream(SERVICE + "ModelStreamInfer")
    with pytest.raises(grpc.RpcError) as raised:
        list(stream(iter([raw(bytes(2 * LIMIT)).SerializeToString()]), timeout=20))
    assert raised.value.code() is EXHAUSTED
    assert "max_message_bytes" in raised.value.details()


def test_a_stream_that_is_abandoned_harms_nobody(channel):
    stream = channel.stream_stream(SERVICE + "ModelStreamInfer")
    slow = pb.ModelInferRequest(
        model_name="slow",
        inputs=[Input(name="x", datatype="FP32", shape=[1, 2])],
        raw_input_contents=[bytes(8)],
    )
    call_ = stream(iter([slow.SerializeToString()] * 20), timeout=20)
    next(call_)
    call_.cancel()
    with pytest.raises(grpc.RpcError) as raised:
        next(call_)
    assert raised.value.code() is grpc.StatusCode.CANCELLED
