"""Each inference is one exchange in either frontend, whatever it ends with."""

from __future__ import annotations

import asyncio
import io
import json
from dataclasses import replace

import pytest

from runtimes.contract.codes import Code
from server.errors import Overloaded
from server.frontends.calls import CallContext, as_serving_error
from server.frontends.grpc_status import status_fields
from server.frontends.limits import FrontendLimits
from server.frontends.open_inference.servicer import OpenInferenceServicer
from server.frontends.tf_serving_metrics import PATH
from server.telemetry.logs import configure_logs
from server.telemetry.observing import RequestObserver
from server.telemetry.sampling import Sampler
from server.telemetry.trace_settings import TraceRules
from tests.unit.server.frontends import grpc_double, rest_double
from tests.unit.server.frontends.grpc_double import PREFIX, infer_message, y

ROWS = {"inputs": [{"name": "x", "datatype": "FP32", "shape": [1, 3], "data": [1, 2, 3]}]}
LIMITS = FrontendLimits()
REST = "/v2/models/rows/infer"


async def post(planes, body: bytes | dict[str, object], limits=rest_double.LIMITS):
    given = {"content": body} if isinstance(body, bytes) else {"json": body}
    async with rest_double.client_of(planes, limits) as client:
        return await client.post(REST, **given)


@pytest.mark.parametrize(
    ("body", "failure", "code"),
    [
        (ROWS, None, None),
        (b"{", None, Code.INVALID_ARGUMENT),
        (b"x" * (rest_double.LIMIT + 1), None, Code.TOO_LARGE),
        (ROWS, Overloaded("full"), Code.OVERLOADED),
        (ROWS, RuntimeError("a bug"), Code.INTERNAL),
    ],
)
async def test_over_rest(body, failure, code):
    planes = rest_double.Planes(failure=failure)

    await post(planes, body)

    ((exchange, ended),) = planes.exchanges
    assert (exchange.protocol, exchange.model, ended) == ("rest", "rows", code)


async def test_rest_tells_timings_unless_they_are_off():
    planes = rest_double.Planes()
    told = await post(planes, ROWS, replace(rest_double.LIMITS, server_timing=True))
    silent = await post(planes, ROWS)

    assert told.headers["server-timing"].startswith("decode;dur=")
    assert "server-timing" not in silent.headers
    assert planes.exchanges[0][0].bytes_out == len(told.content)


async def call(planes, payload: bytes, limits=LIMITS) -> CallContext:
    context = CallContext()
    servicer = OpenInferenceServicer(planes, planes, limits)
    await servicer.unary[f"{PREFIX}ModelInfer"](payload, context)
    return context


@pytest.mark.parametrize(
    ("payload", "error", "model", "code"),
    [
        (infer_message().SerializeToString(), None, "adder", None),
        (b"\xff\xff", None, "", Code.INVALID_ARGUMENT),
        (infer_message().SerializeToString(), Overloaded("full"), "adder", Code.OVERLOADED),
        (infer_message().SerializeToString(), RuntimeError("a bug"), "adder", Code.INTERNAL),
    ],
)
async def test_over_grpc(payload, error, model, code):
    planes = grpc_double.Planes(outputs=(y(1),), error=error)

    await asyncio.gather(call(planes, payload), return_exceptions=True)

    ((exchange, ended),) = planes.exchanges
    assert (exchange.protocol, exchange.model, ended) == ("grpc", model, code)
    assert exchange.bytes_in == len(payload)


async def test_a_grpc_request_that_is_wrong_is_counted_under_its_model():
    wrong = infer_message()
    wrong.raw_input_contents[0] = b"short"
    planes = grpc_double.Planes()

    await asyncio.gather(call(planes, wrong.SerializeToString()), return_exceptions=True)

    ((exchange, ended),) = planes.exchanges
    assert (exchange.model, ended) == ("adder", Code.INVALID_ARGUMENT)


async def test_an_answer_that_is_too_large_to_be_sent_is_none():
    planes = grpc_double.Planes(outputs=(y(*range(3000)),))
    limits = FrontendLimits(max_message_bytes=4096)

    await asyncio.gather(
        call(planes, infer_message().SerializeToString(), limits), return_exceptions=True
    )

    assert [ended for _, ended in planes.exchanges] == [Code.TOO_LARGE]


async def test_grpc_tells_timings_unless_they_are_off():
    planes = grpc_double.Planes(outputs=(y(1),))
    payload = infer_message().SerializeToString()

    told = await call(planes, payload)
    silent = await call(planes, payload, FrontendLimits(server_timing=False))

    assert told.trailing["server-timing"].startswith("decode;dur=")
    assert silent.trailing == {}


async def test_a_call_that_is_cancelled_is_counted_as_that():
    planes = grpc_double.Planes(hang=True)
    task = asyncio.ensure_future(call(planes, infer_message().SerializeToString()))
    await planes.started.wait()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)

    assert [ended for _, ended in planes.exchanges] == [Code.CANCELLED]


async def test_the_page_of_tensorflow_servings_names_is_there_only_where_it_is_on():
    planes = rest_double.Planes()
    on = replace(rest_double.LIMITS, tf_serving_metrics=True)
    async with rest_double.client_of(planes, on) as client:
        page = await client.get(PATH)
    async with rest_double.client_of(planes) as client:
        absent = await client.get(PATH)

    assert (page.status_code, page.text) == (200, "page")
    assert page.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert absent.status_code == 404


# ---- what fails is named in the log --------------------------------------------------------------


@pytest.mark.parametrize("protocol", ["rest", "grpc"])
async def test_a_bug_is_logged_with_the_request_it_met(protocol, logging_as_before):
    lines = io.StringIO()
    configure_logs("info", "json", lines)
    trace = f"00-{'a' * 32}-{'b' * 16}-01"
    observer = RequestObserver(Sampler(TraceRules()), None, None)
    failure = RuntimeError("a bug")
    if protocol == "rest":
        planes = rest_double.Planes(failure=failure, observer=observer)
        async with rest_double.client_of(planes) as client:
            headers = {"traceparent": trace, "authorization": "Bearer hidden"}
            await client.post(REST, json=ROWS, headers=headers)
    else:
        planes = grpc_double.Planes(error=failure, observer=observer)
        servicer = OpenInferenceServicer(planes, planes, LIMITS)
        context = CallContext({"traceparent": trace})
        with pytest.raises(RuntimeError) as caught:
            await servicer.unary[PREFIX + "ModelInfer"](
                infer_message().SerializeToString(), context
            )
        as_serving_error(caught.value, "ModelInfer")
        assert context.trailing["traceparent"] == trace

    (line,) = [json.loads(one) for one in lines.getvalue().splitlines()]
    assert line["trace_id"] == "a" * 32
    assert line["model"] == ("rows" if protocol == "rest" else "adder")
    assert "a bug" in line["exception"]
    assert "hidden" not in json.dumps(line)


# ---- the trace of a refusal ----------------------------------------------------------------------


async def test_a_refusal_tells_its_trace_over_both_protocols():
    trace = f"00-{'a' * 32}-{'b' * 16}-01"
    observer = RequestObserver(Sampler(TraceRules()), None, None)
    planes = rest_double.Planes(failure=Overloaded("full"), observer=observer)
    async with rest_double.client_of(planes) as client:
        answer = await client.post(REST, json=ROWS, headers={"traceparent": trace})
    assert (answer.status_code, answer.headers["traceparent"]) == (429, trace)

    planes = grpc_double.Planes(error=Overloaded("full"), observer=observer)
    with pytest.raises(Overloaded) as refused:
        await OpenInferenceServicer(planes, planes, LIMITS).unary[f"{PREFIX}ModelInfer"](
            infer_message().SerializeToString(), CallContext({"traceparent": trace})
        )
    assert (b"traceparent", trace.encode()) in status_fields(refused.value)
