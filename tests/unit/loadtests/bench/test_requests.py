"""The requests that are sent are good ones in every protocol, and ask the same."""

from __future__ import annotations

import numpy as np
import orjson
import pytest

from loadtests.bench.models import MODELS
from loadtests.bench.requests import LENGTH, request_for
from protos.inference_pb2 import ModelInferRequest
from server.frontends.open_inference.rest_request import decode_request


@pytest.mark.parametrize("protocol", ["rest-json", "rest-binary"])
@pytest.mark.parametrize("model", [MODELS["echo"], MODELS["heavy"]], ids=lambda model: model.name)
def test_both_forms_of_rest_hold_the_question(model, protocol):
    made = request_for(model, protocol)
    head = int(made.headers[LENGTH]) if LENGTH in made.headers else None

    request, _ = decode_request(model.name, "", made.body, head, 0)

    (tensor,) = request.inputs
    assert (tensor.name, tensor.shape) == (model.input, (1, *model.shape))
    assert bytes(tensor.data) == model.question().tobytes()


def test_a_grpc_request_holds_the_question_behind_its_length():
    model = MODELS["echo"]
    made = request_for(model, "grpc")

    message = ModelInferRequest.FromString(made.framed[5:])

    assert int.from_bytes(made.framed[1:5], "big") == len(made.body)
    assert message.raw_input_contents == [model.question().tobytes()]


def test_json_numbers_are_short_and_exact():
    model = MODELS["echo"]
    (tensor,) = orjson.loads(request_for(model, "rest-json").body)["inputs"]

    assert max(len(str(value)) for value in tensor["data"]) <= 5
    assert (np.array(tensor["data"], np.float32) == model.question().reshape(-1)).all()
