"""Calls over plain ASGI, against doubles of the server's ends and of the data plane."""

import asyncio
import gzip
import logging
import struct

import pytest
from grpc_health.v1.health_pb2 import HealthCheckResponse

from protos import inference_pb2 as pb
from runtimes.contract.codes import Code
from runtimes.contract.tensor import Datatype, Tensor
from server.access.access import open_to_all
from server.errors import Overloaded, error_for
from server.frontends.grpc_asgi import GrpcAsgi
from server.frontends.grpc_frames import Frames, framed
from server.frontends.grpc_status import STATUS_NUMBER
from server.frontends.health import HealthServicer
from server.frontends.limits import FrontendLimits
from server.frontends.open_inference.servicer import OpenInferenceServicer
from tests.unit.server.frontends.asgi_ends import HEADERS, Ends
from tests.unit.server.frontends.grpc_double import PREFIX, Planes, infer_message, y

LIMIT = 1 << 16
INFER = PREFIX + "ModelInfer"
STREAM = PREFIX + "ModelStreamInfer"
WATCH = "/grpc.health.v1.Health/Watch"


def _app(planes, stopping=None, **limits):
    limits = FrontendLimits(max_message_bytes=LIMIT, disconnect_check_s=0.0, **limits)
    servicers = [OpenInferenceServicer(planes, planes, limits), HealthServicer(planes, [])]
    return GrpcAsgi(servicers, limits, stopping or asyncio.Event(), open_to_all())


def _body(message=None):
    return framed((message or infer_message()).SerializeToString())


def _replies(ends):
    return [frame.payload for frame in Frames(1 << 20).feed(ends.body)]


async def test_an_inference_comes_back_with_its_status_in_the_trailers():
    body = _body(infer_message(id_="r"))
    ends = await Ends([body[:3], body[3:]]).call(
        _app(Planes(outputs=(y(1, 2, 3),)), server_timing=False), INFER
    )

    (reply,) = _replies(ends)
    assert pb.ModelInferResponse.FromString(reply).id == "r"
    start, _, trailers = ends.sent
    assert (start["status"], start["trailers"]) == (200, True)
    assert trailers == {"type": "http.response.trailers", "headers": [(b"grpc-status", b"0")]}


@pytest.mark.parametrize("code", list(Code))
async def test_every_code_has_its_status_and_ends_the_call_with_its_head(code):
    ends = await Ends([_body()]).call(_app(Planes(error=error_for(code, "words \u00e9"))), INFER)

    assert ends.status["grpc-status"] == str(STATUS_NUMBER[code])
    assert ends.status["grpc-message"] == "words %C3%A9"
    assert [message.get("trailers", False) for message in ends.sent] == [False, False]


async def test_a_surprise_is_logged_and_not_told(caplog):
    with caplog.at_level(logging.ERROR):
        ends = await Ends([_body()]).call(_app(Planes(error=RuntimeError("/secret"))), INFER)
    assert ends.status["grpc-message"] == "internal error; see the server's log"
    assert "/secret" in caplog.text


async def test_a_retry_hint_travels_as_pushback():
    planes = Planes(error=Overloaded("full", retry_after=0.25))
    ends = await Ends([_body()]).call(_app(planes), INFER)
    assert ends.status["grpc-retry-pushback-ms"] == "250"


async def test_a_compressed_request_is_read():
    packed = gzip.compress(infer_message(id_="z").SerializeToString())
    planes = Planes()
    body = struct.pack(">BI", 1, len(packed)) + packed
    await Ends([body]).call(_app(planes), INFER, {b"grpc-encoding": b"gzip"})
    assert planes.asked[0].id == "z"


@pytest.mark.parametrize(
    ("body", "headers", "status", "words"),
    [
        (b"", {}, 3, "takes one message"),
        (_body() * 2, {}, 3, "takes one message"),
        (_body()[:-1], {}, 3, "truncated"),
        (framed(b"\xff"), {}, 3, "not a valid ModelInferRequest"),
        (struct.pack(">BI", 0, LIMIT + 1), {}, 8, f"max_message_bytes ({LIMIT} bytes)"),
        (_body(), {b"grpc-encoding": b"snappy"}, 12, "unsupported grpc-encoding 'snappy'"),
        (_body(), {b"grpc-timeout": b"1"}, 3, "grpc-timeout: expected up to 8 digits"),
        (_body(), {b"grpc-timeout": b"123456789S"}, 3, "grpc-timeout: expected up to 8 digits"),
        (_body(), {b"te": b"deflate"}, 3, "te: trailers"),
    ],
)
async def test_what_is_no_call_is_refused(body, headers, status, words):
    planes = Planes()
    ends = await Ends([body]).call(_app(planes), INFER, headers)

    assert ends.status["grpc-status"] == str(status)
    assert words in ends.status["grpc-message"]
    assert planes.asked == []


async def test_an_unknown_method_is_unimplemented():
    ends = await Ends([_body()]).call(_app(Planes()), PREFIX + "Nope")
    assert ends.status["grpc-status"] == "12"


async def test_a_response_over_the_limit_is_refused_by_the_settings_name():
    large = Tensor("y", Datatype.UINT8, (LIMIT,), bytes(LIMIT))
    ends = await Ends([_body()]).call(_app(Planes(outputs=(large,))), INFER)
    assert ends.status["grpc-status"] == "8"
    assert "max_message_bytes" in ends.status["grpc-message"]


@pytest.mark.parametrize(
    ("version", "kind", "is_call"),
    [
        ("2", b"application/grpc", True),
        ("2", b"application/grpc+proto", True),
        ("2", b"application/grpc;charset=x", True),
        ("2", b"application/grpc-web", False),
        ("2", b"application/json", False),
        ("1.1", b"application/grpc", False),
    ],
)
def test_only_calls_are_taken(version, kind, is_call):
    headers = {**HEADERS, b"content-type": kind}
    assert GrpcAsgi.takes({"http_version": version}, headers) == is_call


async def test_what_a_handler_has_besides_its_answer_goes_into_the_trailers():
    ends = await Ends([_body()]).call(_app(Planes(), server_timing=True), INFER)
    assert ends.status["grpc-status"] == "0"
    assert "compute" in ends.status["server-timing"]


# ---- deadlines and clients that leave ------------------------------------------------------------


@pytest.mark.parametrize(("given", "none"), [(b"100S", False), (b"99999999H", True), (b"", True)])
async def test_the_clients_deadline_reaches_the_data_plane(given, none):
    planes = Planes()
    await Ends([_body()]).call(_app(planes), INFER, {b"grpc-timeout": given} if given else {})
    assert (planes.asked[0].deadline_ns == 0) == none


@pytest.mark.parametrize("path", [INFER, STREAM])
async def test_a_deadline_that_passes_ends_the_request_in_the_data_plane(path):
    planes = Planes(hang=True)
    ends = await Ends([_body()]).call(_app(planes), path, {b"grpc-timeout": b"20m"})
    assert ends.status["grpc-status"] == "4"
    await planes.cancelled.wait()


@pytest.mark.parametrize("path", [INFER, STREAM])
@pytest.mark.parametrize("open_", [False, True])
async def test_a_client_that_leaves_cancels_its_request(path, open_):
    planes = Planes(hang=True)
    ends = Ends([_body()], open_=open_ and path == STREAM)
    call = asyncio.create_task(ends.call(_app(planes), path))
    await planes.started.wait()
    ends.gone.set()
    await planes.cancelled.wait()
    await asyncio.gather(call, return_exceptions=True)


async def test_a_client_that_leaves_within_its_request_asks_nothing():
    planes = Planes()
    ends = Ends([_body()[:-1]], open_=True)
    call = asyncio.create_task(ends.call(_app(planes), INFER))
    ends.gone.set()
    await asyncio.gather(call, return_exceptions=True)
    assert planes.asked == []


# ---- streams -------------------------------------------------------------------------------------


async def test_a_stream_answers_in_order_and_tells_errors_as_answers():
    bodies = [_body(infer_message(id_="a")), _body(infer_message("", "b")), _body()]
    ends = await Ends(bodies).call(_app(Planes(outputs=(y(1),))), STREAM)

    first, second, third = (pb.ModelStreamInferResponse.FromString(one) for one in _replies(ends))
    assert (first.infer_response.id, first.error_message) == ("a", "")
    assert "model_name is empty" in second.error_message
    assert third.error_message == ""
    assert ends.status["grpc-status"] == "0"


async def test_a_stream_without_messages_ends_well():
    ends = await Ends([b""]).call(_app(Planes()), STREAM)
    assert (ends.body, ends.status["grpc-status"]) == (b"", "0")


async def test_a_stream_ends_with_a_status_when_asked_to():
    ends = await Ends([_body(infer_message(""))]).call(
        _app(Planes()), STREAM, {b"triton_grpc_error": b"true"}
    )
    assert ends.status["grpc-status"] == "3"


async def test_a_message_over_the_limit_ends_a_stream_after_what_was_before_it():
    bodies = [_body(), struct.pack(">BI", 0, LIMIT + 1)]
    ends = await Ends(bodies, open_=True).call(_app(Planes()), STREAM)

    assert len(_replies(ends)) == 1
    assert ends.sent[-1]["type"] == "http.response.trailers"
    assert ends.status["grpc-status"] == "8"


async def test_stopping_ends_a_stream_once_its_requests_are_answered():
    planes, stopping = Planes(hang=True), asyncio.Event()
    ends = Ends([_body(infer_message(id_="last"))], open_=True)
    call = asyncio.create_task(ends.call(_app(planes, stopping), STREAM))
    await planes.started.wait()
    stopping.set()
    planes.release.set()
    await call

    (reply,) = _replies(ends)
    assert pb.ModelStreamInferResponse.FromString(reply).infer_response.id == "last"
    assert ends.status["grpc-message"] == "the server is stopping"


async def test_a_watch_of_health_ends_with_its_client():
    ends = Ends([framed(b"")])
    call = asyncio.create_task(ends.call(_app(Planes()), WATCH))
    await ends.got_answer.wait()
    ends.gone.set()
    await asyncio.gather(call, return_exceptions=True)

    (told,) = _replies(ends)
    assert HealthCheckResponse.FromString(told).status == HealthCheckResponse.SERVING
