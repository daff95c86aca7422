"""Samples arrive as they are in every protocol: the server's own codecs read what is written."""

from __future__ import annotations

import json

import numpy as np
import pytest

from loadtests.generator.plan import Plan
from loadtests.generator.target import plan_for
from loadtests.generator.trust import Trust
from loadtests.samples.sample import DTYPES, Input, Sample
from loadtests.wire import oip_grpc, oip_rest, tfs_grpc, tfs_rest, torchserve
from protos import inference_pb2 as pb
from protos import tf_core_pb2 as core
from protos import tfs_api_pb2 as tfs
from runtimes.contract.tensor import Datatype, Signature, TensorSpec, pack_bytes
from server.frontends.open_inference.rest_request import decode_request
from server.frontends.tf_serving.predict_codec import decode_predict, encode_predict

NUMBERS = Input("x", Datatype.FP32, np.array([[1.5, -2.0]], np.float32))
TEXTS = Input("t", Datatype.BYTES, np.array([b"a", "ü".encode()], object))
SAMPLE = Sample((NUMBERS, TEXTS), lambda _: "")
RAW = {"x": NUMBERS.array.tobytes(), "t": pack_bytes(TEXTS.array)}


@pytest.mark.parametrize("encode", [oip_rest.binary, oip_rest.json])
def test_rest_requests_are_read_by_the_server_as_the_sample(encode):
    call = encode("a model", SAMPLE)
    length = call.headers.get(oip_rest.LENGTH)
    request, _ = decode_request("a model", "", call.body, int(length) if length else None, 0)

    assert call.path == "/v2/models/a%20model/infer"
    assert {tensor.name: bytes(tensor.data) for tensor in request.inputs} == RAW
    assert [tensor.shape for tensor in request.inputs] == [(1, 2), (2,)]


def test_a_grpc_request_holds_the_sample():
    message = pb.ModelInferRequest.FromString(oip_grpc.request("m", SAMPLE))

    assert [(i.name, i.datatype, list(i.shape)) for i in message.inputs] == [
        ("x", "FP32", [1, 2]), ("t", "BYTES", [2]),
    ]  # fmt: skip
    assert list(message.raw_input_contents) == list(RAW.values())


def test_predict_names_its_inputs():
    call = tfs_rest.predict("m", SAMPLE)

    assert call.path == "/v1/models/m:predict"
    assert json.loads(call.body) == {"inputs": {"x": [[1.5, -2.0]], "t": ["a", "ü"]}}


def same(answers):
    assert answers.keys() == {"x", "t"}
    np.testing.assert_array_equal(answers["x"], NUMBERS.array)
    assert answers["t"].tolist() == [b"a", "ü".encode()]


def test_answers_are_read_from_binary_json_and_grpc_alike():
    call = oip_rest.binary("m", SAMPLE)  # a request has its tensors where an answer has them
    body = call.body.replace(b'"inputs"', b'"outputs"')
    length = int(call.headers[oip_rest.LENGTH]) + 1
    same(oip_rest.read(body, {oip_rest.LENGTH: str(length)}))
    same(oip_rest.read(oip_rest.json("m", SAMPLE).body.replace(b"inputs", b"outputs"), {}))
    request = pb.ModelInferRequest.FromString(oip_grpc.request("m", SAMPLE))
    answer = pb.ModelInferResponse(model_version="12", raw_output_contents=RAW.values())
    for tensor in request.inputs:
        answer.outputs.add(name=tensor.name, datatype=tensor.datatype, shape=tensor.shape)
    same(oip_grpc.read(answer.SerializeToString()))
    assert oip_grpc.version_of(answer.SerializeToString()) == 12


def test_predictions_are_read_by_the_models_signature():
    x, t = TensorSpec("x", Datatype.FP32, (-1, 2)), TensorSpec("t", Datatype.BYTES, (-1,))
    same(tfs_rest.read(b'{"outputs": {"x": [[1.5, -2]], "t": ["a", "\xc3\xbc"]}}',
                       Signature((), (x, t))))  # fmt: skip
    alone = tfs_rest.read(b'{"outputs": [[1.5, -2.0]]}', Signature((), (x,)))
    np.testing.assert_array_equal(alone["x"], NUMBERS.array)


def test_a_predict_request_is_read_by_the_server_as_the_sample():
    payload = tfs_grpc.request("m", SAMPLE)
    call = decode_predict(payload, 2**20)

    assert (call.choice.model, call.choice.asked) == ("m", "")
    assert {tensor.name: bytes(tensor.data) for tensor in call.inputs} == RAW
    assert {tensor.name: tensor.shape for tensor in call.inputs} == {"x": (1, 2), "t": (2,)}
    assert tfs.PredictRequest.FromString(payload).inputs["x"].tensor_content == RAW["x"]


def test_answers_to_predict_are_read_raw_and_from_lists():
    request = tfs.PredictRequest.FromString(tfs_grpc.request("m", SAMPLE))
    raw = tfs.PredictResponse()
    for name, tensor in request.inputs.items():  # a request has tensors as an answer may have them
        raw.outputs[name].CopyFrom(tensor)
    tensors = decode_predict(request.SerializeToString(), 2**20).inputs
    lists = encode_predict("m", "12", "serving_default", tensors)

    assert list(tfs.PredictResponse.FromString(lists).outputs["x"].float_val) == [1.5, -2.0]
    same(tfs_grpc.read(raw.SerializeToString()))
    same(tfs_grpc.read(lists))
    assert (tfs_grpc.version_of(lists), tfs_grpc.version_of(raw.SerializeToString())) == (12, 0)


@pytest.mark.parametrize("datatype", [each for each in Datatype if each is not Datatype.BYTES])
def test_numbers_of_every_datatype_survive_predict_both_ways(datatype):
    given = Input("y", datatype, np.array([[1, 0], [1, 1]], DTYPES[datatype]))
    (tensor,) = decode_predict(tfs_grpc.request("m", Sample((given,), lambda _: "")), 2**20).inputs
    found = tfs_grpc.read(encode_predict("m", "1", "serving_default", [tensor]))["y"]

    assert (tensor.datatype, tensor.shape) == (datatype, (2, 2))
    assert found.dtype == given.array.dtype
    np.testing.assert_array_equal(found, given.array)


def predicted(**fields) -> bytes:
    """An answer with one output, y of shape [2, 2]."""
    answer = tfs.PredictResponse()
    proto = answer.outputs["y"]
    for name, value in fields.items():
        field = getattr(proto, name)
        field.extend(value) if isinstance(value, list) else setattr(proto, name, value)
    for size in (2, 2):
        proto.tensor_shape.dim.add(size=size)
    return answer.SerializeToString()


def test_what_is_no_message_of_the_open_inference_protocol_is_no_answer():
    with pytest.raises(ValueError, match="expected a ModelInferResponse"):
        oip_grpc.read(b"\xff no message")


def test_the_last_value_stands_for_those_left_out():
    found = tfs_grpc.read(predicted(dtype=core.DT_FLOAT, float_val=[1.5, 2.5]))

    assert found["y"].tolist() == [[1.5, 2.5], [2.5, 2.5]]


@pytest.mark.parametrize(
    "answer",
    [
        b"\xff no message",
        predicted(dtype=core.DT_COMPLEX64),
        predicted(dtype=core.DT_FLOAT),
        predicted(dtype=core.DT_FLOAT, float_val=[1.0] * 5),
        predicted(dtype=core.DT_FLOAT, tensor_content=b"\0" * 12),
        predicted(dtype=core.DT_STRING, string_val=[b"a"]),
    ],
)
def test_an_answer_that_does_not_hold_its_tensors_is_no_answer(answer):
    with pytest.raises(ValueError, match=r"\w"):
        tfs_grpc.read(answer)


@pytest.mark.parametrize(
    ("protocol", "transport", "method"),
    [
        ("rest", "http", ""),
        ("tfs-rest", "http", ""),
        ("grpc", "grpc", "/inference.GRPCInferenceService/ModelInfer"),
        ("tfs-grpc", "grpc", "/tensorflow.serving.PredictionService/Predict"),
    ],
)
def test_a_plan_calls_the_method_of_its_protocol(protocol, transport, method):
    plan = plan_for("127.0.0.1:1", protocol, "m", [SAMPLE], seconds=1)

    assert (plan.transport, plan.method) == (transport, method)
    if protocol == "tfs-grpc":
        assert plan.requests == (tfs_grpc.request("m", SAMPLE),)


@pytest.mark.parametrize("url", ["soap://127.0.0.1:1", "127.0.0.1", "http://h:1/path", "ftp://h:1"])
def test_an_address_that_cannot_be_asked_is_refused(url):
    with pytest.raises(ValueError, match="url: expected"):
        plan_for(url, "rest", "m", [SAMPLE], seconds=1)


@pytest.mark.parametrize(("url", "protocol"), [("https://h:1", "rest"), ("grpcs://h:1", "grpc")])
def test_a_plan_speaks_tls_where_its_url_says_so(url, protocol):
    trust = Trust("/ca.pem")

    plan = plan_for(url, protocol, "m", [SAMPLE], seconds=1, trust=trust)

    assert plan.address == "h:1"
    assert Plan.unpack(plan.pack()).trust == trust
    assert plan_for(url, protocol, "m", [SAMPLE], seconds=1).trust == Trust()
    assert plan_for("h:1", protocol, "m", [SAMPLE], seconds=1, trust=trust).trust is None


def test_grpc_is_never_insecure_over_tls():
    with pytest.raises(ValueError, match="insecure: gRPC always checks certificates"):
        Trust(insecure=True).credentials()


def test_a_plan_without_samples_is_refused():
    with pytest.raises(ValueError, match="samples: expected at least one"):
        plan_for("http://127.0.0.1:1", "rest", "m", [], seconds=1)


def test_predictions_are_the_one_inputs_values_both_ways():
    call = torchserve.predictions("a model", Sample((NUMBERS,), lambda _: ""))
    signature = Signature((), (TensorSpec("y", Datatype.FP32, (-1, 2)),))

    assert call.path == "/predictions/a%20model"
    found = torchserve.read(call.body, signature)
    assert found.keys() == {"y"}
    np.testing.assert_array_equal(found["y"], NUMBERS.array)


def test_predictions_of_several_inputs_are_refused():
    with pytest.raises(ValueError, match="expected a model with one input, got 2"):
        torchserve.predictions("m", SAMPLE)
