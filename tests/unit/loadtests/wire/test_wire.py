"""Samples arrive as they are in every protocol: the server's own codecs read what is written."""

from __future__ import annotations

import json

import numpy as np
import pytest

from loadtests.generator.target import plan_for
from loadtests.samples.sample import Input, Sample
from loadtests.wire import oip_grpc, oip_rest, tfs_rest, torchserve
from protos import inference_pb2 as pb
from runtimes.contract.tensor import Datatype, Signature, TensorSpec, pack_bytes
from server.frontends.open_inference.rest_request import decode_request

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


@pytest.mark.parametrize(
    "url", ["https://127.0.0.1:1", "127.0.0.1", "http://h:1/path", "ftp://h:1"]
)
def test_an_address_that_cannot_be_asked_is_refused(url):
    with pytest.raises(ValueError, match="url: expected"):
        plan_for(url, "rest", "m", [SAMPLE], seconds=1)


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
