"""Documents and bytes nobody thought of, by TensorFlow Serving's API: never the server's fault."""

from __future__ import annotations

import asyncio
import json

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from protos import tfs_api_pb2 as pb
from server.access.access import open_to_all
from server.errors import Internal, ServingError
from server.frontends.calls import CallContext
from server.frontends.limits import FrontendLimits
from server.frontends.rest import create_app
from server.frontends.tf_serving.servicer import TfServingServicer
from tests.unit.server.frontends.tf_serving.messages import (
    ANSWERS,
    GOOD,
    NAMED,
    example,
    listed,
    predict,
    spec_of,
    strings,
)
from tests.unit.server.frontends.tf_serving.serving_double import MODELS, Planes

LIMITS = FrontendLimits(max_message_bytes=20_000)
FUZZ = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])

NUMBERS = st.one_of(
    st.integers(-3, 300), st.floats(), st.sampled_from([2**31, 2**63, 2**64, 10**30])
)
TEXTS = st.sampled_from(["", "a", "b64", "/w==", "\ud800", "x"])
NAMES = st.sampled_from(["x", "a", "b", "t", "b64", "FP32", "inputs", "instances", ""])
JUNK = st.recursive(
    st.one_of(st.none(), st.booleans(), NUMBERS, TEXTS),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(NAMES, inner, max_size=3)),
    max_leaves=8,
)
DOCUMENTS = st.one_of(
    st.fixed_dictionaries(
        {},
        optional={
            "instances": JUNK,
            "inputs": JUNK,
            "examples": st.one_of(JUNK, st.lists(st.dictionaries(NAMES, JUNK, max_size=3))),
            "context": JUNK,
            "signature_name": st.one_of(st.sampled_from(["to_classes", "to_values"]), JUNK),
        },
    ),
    JUNK,
)
APP = create_app(Planes(), Planes(), LIMITS, open_to_all())
METHODS = st.sampled_from(["predict", "classify", "regress"])


@FUZZ
@given(st.sampled_from([*MODELS, "signed"]), METHODS, DOCUMENTS)
def test_no_document_is_the_servers_fault(model, method, document):
    async def ask() -> httpx.Response:
        transport = httpx.ASGITransport(APP)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            body = json.dumps(document).encode()
            return await client.post(f"/v1/models/{model}:{method}", content=body)

    answer = asyncio.run(ask())

    assert answer.status_code in (200, 400, 413, 501), answer.text
    if answer.status_code != 200:
        assert isinstance(answer.json()["error"], str)


SEEDS = [
    predict("text", {"signature_name": "s"}, t=strings(b"a", b"b")),
    predict("rows", x=GOOD),
    pb.ClassificationRequest(
        model_spec=spec_of("named"), input=listed(example(**NAMED), context=example(x=1.0))
    ),
    pb.GetModelStatusRequest(model_spec=spec_of("signed", version=3)),
]
PAYLOADS = st.one_of(
    st.binary(max_size=100),
    st.builds(
        lambda seed, at, cut, patch: seed[:at] + patch + seed[at + cut :],
        st.sampled_from([seed.SerializeToString() for seed in SEEDS]),
        st.integers(0, 100), st.integers(0, 3), st.binary(max_size=4),
    ),
)  # fmt: skip


@FUZZ
@given(st.sampled_from(list(ANSWERS)), PAYLOADS)
def test_no_bytes_are_the_servers_fault(path, payload):
    planes = Planes()
    servicer = TfServingServicer(planes, planes, LIMITS)

    async def ask() -> None:
        try:
            await servicer.unary[path](payload, CallContext())
        except Internal:
            pytest.fail("said to be the server's fault")
        except ServingError:
            pass

    asyncio.run(ask())
