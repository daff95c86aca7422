"""The requests that frontends are profiled with are good ones, and are answered."""

from __future__ import annotations

import pytest

from loadtests.frontend_alone import SHAPES, Mirror, bodies
from protos import inference_pb2 as pb
from server.frontends.calls import CallContext
from server.frontends.limits import FrontendLimits
from server.frontends.open_inference.rest_request import decode_request
from server.frontends.open_inference.servicer import SERVICE_NAME, OpenInferenceServicer


@pytest.mark.parametrize("model", SHAPES)
async def test_both_bodies_are_answered_with_their_tensor(model):
    made = bodies(model)
    request, form = decode_request(model, "", made.rest, made.json_length, 0)
    mirror = Mirror()
    answer = await mirror.infer(request, mirror.exchange("rest", model))
    assert (answer.outputs[0].shape, form.default.binary) == (SHAPES[model], True)
    servicer = OpenInferenceServicer(Mirror(), None, FrontendLimits())  # type: ignore[arg-type]
    infer = servicer.unary[f"/{SERVICE_NAME}/ModelInfer"]
    reply = pb.ModelInferResponse.FromString(await infer(made.grpc[5:], CallContext()))
    assert reply.raw_output_contents == [made.rest[made.json_length :]]
