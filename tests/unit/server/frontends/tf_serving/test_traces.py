"""A client's trace is carried on by each call of TensorFlow Serving's that infers."""

from __future__ import annotations

import httpx
import pytest

from protos import tfs_api_pb2 as pb
from server.access.access import open_to_all
from server.frontends.calls import CallContext
from server.frontends.limits import FrontendLimits
from server.frontends.rest import create_app
from server.frontends.tf_serving.servicer import TfServingServicer
from server.telemetry.observing import RequestObserver
from server.telemetry.sampling import Sampler
from server.telemetry.trace_settings import TraceRules
from tests.unit.server.frontends.tf_serving.messages import (
    PREDICTION,
    array,
    example,
    listed,
    predict,
    spec_of,
)
from tests.unit.server.frontends.tf_serving.serving_double import Planes

TRACE = f"00-{'a' * 32}-{'b' * 16}-01"
LIMITS = FrontendLimits(max_message_bytes=10_000)
CLASSES = spec_of("signed", signature_name="to_classes")
VALUES = spec_of("signed", signature_name="to_values")


@pytest.fixture
def traced() -> Planes:
    return Planes(observer=RequestObserver(Sampler(TraceRules()), None, None))


def told(planes: Planes) -> list[str]:
    return [one.trace.trace_id for one, _ in planes.exchanges]


@pytest.mark.parametrize(
    ("method", "message"),
    [
        ("Predict", predict(x=array([[1, 2]]))),
        ("Classify", pb.ClassificationRequest(model_spec=CLASSES, input=listed(example(x=1.0)))),
        ("Regress", pb.RegressionRequest(model_spec=VALUES, input=listed(example(x=1.0)))),
    ],
)
async def test_over_grpc(traced, method, message):
    context = CallContext({"traceparent": TRACE})
    servicer = TfServingServicer(traced, traced, LIMITS)
    await servicer.unary[f"{PREDICTION}{method}"](message.SerializeToString(), context)
    assert context.trailing["traceparent"] == TRACE
    assert told(traced) == ["a" * 32]


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("rows:predict", {"instances": [[1, 2]]}),
        ("signed:classify", {"signature_name": "to_classes", "examples": [{"x": 1.0}]}),
        ("signed:regress", {"signature_name": "to_values", "examples": [{"x": 1.0}]}),
    ],
)
async def test_over_rest(traced, path, body):
    transport = httpx.ASGITransport(create_app(traced, traced, LIMITS, open_to_all()))
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        headers = {"traceparent": TRACE}
        answer = await client.post(f"/v1/models/{path}", json=body, headers=headers)
    assert answer.status_code == 200, answer.text
    assert answer.headers["traceparent"] == TRACE
    assert told(traced) == ["a" * 32]
