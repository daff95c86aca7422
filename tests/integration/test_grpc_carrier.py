"""The gRPC frontend over a real loopback connection, with a data plane that is a double."""

import asyncio
import logging
from contextlib import asynccontextmanager

import grpc
import grpc.aio
import pytest
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse
from grpc_reflection.v1alpha import reflection_pb2

from protos import inference_pb2 as pb
from runtimes.contract.codes import Code
from runtimes.contract.tensor import Datatype, Tensor
from server.access.access import open_to_all
from server.errors import Overloaded, error_for
from server.frontends.grpc import GrpcFrontend
from server.frontends.grpc_carrier import STATUS
from server.frontends.limits import FrontendLimits
from server.frontends.open_inference.servicer import OpenInferenceServicer
from tests.unit.server.frontends.grpc_double import PREFIX, Planes, infer_message, y

LIMIT = 1 << 16
HEALTH = "/grpc.health.v1.Health/"


@asynccontextmanager
async def _serving(planes, **options):
    """A running frontend and a channel to it; yields both."""
    limits = FrontendLimits(max_message_bytes=LIMIT)
    servicer = OpenInferenceServicer(planes, planes, limits)
    frontend = GrpcFrontend([servicer], planes, limits, open_to_all(), **options)
    port = await frontend.start("127.0.0.1", 0)
    try:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            yield frontend, channel
    finally:
        await frontend.stop(0)


def _infer(channel, message, **options):
    call = channel.unary_unary(PREFIX + "ModelInfer")
    payload = message if isinstance(message, bytes) else message.SerializeToString()
    return call(payload, **options)


async def _error(call):
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    return caught.value


async def test_an_inference_comes_back():
    async with _serving(Planes(outputs=(y(1, 2, 3),))) as (_, channel):
        reply = pb.ModelInferResponse.FromString(await _infer(channel, infer_message(id_="r")))
    assert reply.id == "r"
    assert len(reply.raw_output_contents[0]) == 12


@pytest.mark.parametrize("code", list(Code))
async def test_every_code_has_its_status(code):
    async with _serving(Planes(error=error_for(code, "words \u00e9"))) as (_, channel):
        error = await _error(_infer(channel, infer_message()))
    assert error.code() is STATUS[code]
    assert error.details() == "words \u00e9"


async def test_a_surprise_is_logged_and_not_told(caplog):
    with caplog.at_level(logging.ERROR):
        async with _serving(Planes(error=RuntimeError("/secret/path"))) as (_, channel):
            error = await _error(_infer(channel, infer_message()))
    assert error.code() is grpc.StatusCode.INTERNAL
    assert error.details() == "internal error; see the server's log"
    assert "/secret/path" in caplog.text


async def test_a_retry_hint_travels_as_pushback():
    async with _serving(Planes(error=Overloaded("full", retry_after=0.25))) as (_, channel):
        error = await _error(_infer(channel, infer_message()))
    assert dict(error.trailing_metadata())["grpc-retry-pushback-ms"] == "250"


async def test_a_very_long_error_still_arrives():
    message = infer_message()
    message.inputs[0].datatype = "\u00e9" * 20_000
    async with _serving(Planes()) as (_, channel):
        error = await _error(_infer(channel, message))
    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert error.details().startswith("input 'x' has datatype '\u00e9")


@pytest.mark.parametrize("compression", [None, grpc.Compression.Gzip])
async def test_a_message_over_the_limit_is_refused_by_the_settings_name(compression):
    planes = Planes()
    async with _serving(planes) as (_, channel):
        error = await _error(_infer(channel, b"\0" * (LIMIT + 1), compression=compression))
        assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert f"max_message_bytes ({LIMIT} bytes)" in error.details()
        await _infer(channel, infer_message())


async def test_a_decompression_bomb_is_refused_and_the_next_request_answered():
    async with _serving(Planes()) as (_, channel):
        bomb = bytes(LIMIT + (20 << 20))
        error = await _error(_infer(channel, bomb, compression=grpc.Compression.Gzip))
        assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        await _infer(channel, infer_message())


async def test_a_compressed_request_is_read():
    planes = Planes()
    async with _serving(planes) as (_, channel):
        await _infer(channel, infer_message(id_="z"), compression=grpc.Compression.Gzip)
    assert planes.asked[0].id == "z"


async def test_a_response_over_the_limit_is_refused_by_the_settings_name():
    large = Tensor("y", Datatype.UINT8, (LIMIT,), bytes(LIMIT))
    async with _serving(Planes(outputs=(large,))) as (_, channel):
        error = await _error(_infer(channel, infer_message()))
    assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert "max_message_bytes" in error.details()


async def test_the_clients_deadline_reaches_the_data_plane():
    planes = Planes()
    async with _serving(planes) as (_, channel):
        await _infer(channel, infer_message())
        await _infer(channel, infer_message(), timeout=100)
        await _infer(channel, infer_message(), timeout=1e9)
    none, soon, never = (request.deadline_ns for request in planes.asked)
    assert (none, never) == (0, 0)
    assert soon > 0


async def test_a_deadline_that_passes_ends_the_request_in_the_data_plane():
    planes = Planes(hang=True)
    async with _serving(planes) as (_, channel):
        error = await _error(_infer(channel, infer_message(), timeout=1))
        assert error.code() is grpc.StatusCode.DEADLINE_EXCEEDED
        await planes.cancelled.wait()


async def test_cancelling_a_call_cancels_it_in_the_data_plane():
    planes = Planes(hang=True)
    async with _serving(planes) as (_, channel):
        call = _infer(channel, infer_message())
        await planes.started.wait()
        call.cancel()
        await planes.cancelled.wait()


async def test_an_unknown_method_is_unimplemented():
    async with _serving(Planes()) as (_, channel):
        error = await _error(channel.unary_unary(PREFIX + "Nope")(b""))
    assert error.code() is grpc.StatusCode.UNIMPLEMENTED


# ---- streams -------------------------------------------------------------------------------------


async def _replies(call):
    return [pb.ModelStreamInferResponse.FromString(reply) async for reply in call]


def _stream(channel, messages, **options):
    async def payloads():
        for message in messages:
            yield message if isinstance(message, bytes) else message.SerializeToString()

    return channel.stream_stream(PREFIX + "ModelStreamInfer")(payloads(), **options)


async def test_a_stream_answers_in_order_and_tells_errors_as_answers():
    async with _serving(Planes(outputs=(y(1),))) as (_, channel):
        call = _stream(channel, [infer_message(id_="a"), infer_message("", "b"), infer_message()])
        first, second, third = await _replies(call)
        assert await call.code() is grpc.StatusCode.OK
    assert (first.infer_response.id, first.error_message) == ("a", "")
    assert "model_name is empty" in second.error_message
    assert third.error_message == ""


async def test_a_stream_ends_with_a_status_when_asked_to():
    async with _serving(Planes()) as (_, channel):
        call = _stream(channel, [infer_message("")], metadata=(("triton_grpc_error", "true"),))
        error = await _error(_replies(call))
    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT


async def test_a_stream_refuses_a_message_over_the_limit_by_the_settings_name():
    async with _serving(Planes()) as (_, channel):
        call = _stream(channel, [infer_message(), b"\0" * (LIMIT + 1)])
        replies = aiter(call)
        assert await anext(replies)
        error = await _error(anext(replies))
    assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert "max_message_bytes" in error.details()


async def test_cancelling_a_stream_cancels_its_requests():
    planes = Planes(hang=True)
    async with _serving(planes) as (_, channel):
        call = _stream(channel, [infer_message()])
        await planes.started.wait()
        call.cancel()
        await planes.cancelled.wait()


# ---- stopping ------------------------------------------------------------------------------------


async def test_stopping_lets_a_call_under_way_finish():
    planes = Planes(hang=True)
    async with _serving(planes) as (frontend, channel):
        call = _infer(channel, infer_message())
        await planes.started.wait()
        stopping = asyncio.create_task(frontend.stop(60))
        await asyncio.sleep(0)
        planes.release.set()
        assert await call
        await stopping


async def test_stopping_ends_an_idle_stream_once_its_requests_are_answered():
    planes = Planes(hang=True)
    async with _serving(planes) as (frontend, channel):
        call = channel.stream_stream(PREFIX + "ModelStreamInfer")()
        await call.write(infer_message(id_="last").SerializeToString())
        await planes.started.wait()
        stopping = asyncio.create_task(frontend.stop(3600))
        await asyncio.sleep(0)
        planes.release.set()
        reply = pb.ModelStreamInferResponse.FromString(await call.read())
        assert reply.infer_response.id == "last"
        error = await _error(call.read())
        assert error.code() is grpc.StatusCode.UNAVAILABLE
        assert error.details() == "the server is stopping"
        await stopping


async def test_what_outlives_the_grace_is_cancelled():
    planes = Planes(hang=True)
    async with _serving(planes) as (frontend, channel):
        call = _infer(channel, infer_message())
        await planes.started.wait()
        await frontend.stop(0)
        await planes.cancelled.wait()
        await _error(call)


async def test_a_taken_port_is_refused():
    first, second = (GrpcFrontend([], Planes(), FrontendLimits(), open_to_all()) for _ in range(2))
    port = await first.start("127.0.0.1", 0)
    with pytest.raises(OSError, match=f"127.0.0.1:{port}"):
        await second.start("127.0.0.1", port)
    await first.stop(0)
    await second.stop(0)


async def test_a_port_is_shared_only_when_asked_to():
    first, second = (
        GrpcFrontend([], Planes(), FrontendLimits(), open_to_all(), reuse_port=True)
        for _ in range(2)
    )
    port = await first.start("127.0.0.1", 0)
    assert await second.start("127.0.0.1", port) == port
    await first.stop(0)
    await second.stop(0)


# ---- health and reflection -----------------------------------------------------------------------


async def test_health_follows_the_data_plane():
    planes = Planes()
    request = HealthCheckRequest(service="inference.GRPCInferenceService").SerializeToString()
    async with _serving(planes) as (_, channel):
        check = channel.unary_unary(HEALTH + "Check")
        told = []
        for ready in (True, False):
            planes.is_ready = ready
            told.append(HealthCheckResponse.FromString(await check(request)).status)
    assert told == [HealthCheckResponse.SERVING, HealthCheckResponse.NOT_SERVING]


async def test_a_health_watch_ends_when_the_server_stops():
    async with _serving(Planes()) as (frontend, channel):
        call = channel.unary_stream(HEALTH + "Watch")(b"")
        first = HealthCheckResponse.FromString(await call.read())
        stopping = asyncio.create_task(frontend.stop(3600))
        last = HealthCheckResponse.FromString(await call.read())
        assert (first.status, last.status) == (
            HealthCheckResponse.SERVING,
            HealthCheckResponse.NOT_SERVING,
        )
        assert (await _error(call.read())).code() is grpc.StatusCode.UNAVAILABLE
        await stopping


async def test_reflection_lists_services_and_describes_ours():
    path = "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"
    requests = [
        reflection_pb2.ServerReflectionRequest(list_services=""),
        reflection_pb2.ServerReflectionRequest(
            file_containing_symbol="inference.GRPCInferenceService"
        ),
    ]
    async with _serving(Planes()) as (_, channel):
        call = channel.stream_stream(path)(iter([r.SerializeToString() for r in requests]))
        listed, described = [
            reflection_pb2.ServerReflectionResponse.FromString(reply) async for reply in call
        ]
    assert {service.name for service in listed.list_services_response.service} == {
        "inference.GRPCInferenceService",
        "grpc.health.v1.Health",
        "grpc.reflection.v1alpha.ServerReflection",
    }
    files = described.file_descriptor_response.file_descriptor_proto
    assert any(b"GRPCInferenceService" in file for file in files)
