import asyncio
from contextlib import aclosing

import pytest
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse

from server.errors import InvalidArgument, NotFound, Unavailable
from server.frontends.calls import CallContext
from server.frontends.health import SERVICE_NAME, HealthServicer
from tests.unit.server.frontends.grpc_double import Planes

NAME = "inference.GRPCInferenceService"


def _health(planes, interval_s=0.001):
    return HealthServicer(planes, [NAME], interval_s)


async def _check(health, service=""):
    payload = HealthCheckRequest(service=service).SerializeToString()
    return _status(await health.unary[f"/{SERVICE_NAME}/Check"](payload, CallContext()))


def _status(reply):
    return HealthCheckResponse.ServingStatus.Name(HealthCheckResponse.FromString(reply).status)


async def _once(service):
    yield HealthCheckRequest(service=service).SerializeToString()


def _watch(health, messages):
    return aclosing(health.streams[f"/{SERVICE_NAME}/Watch"](messages, CallContext()))


@pytest.mark.parametrize("service", ["", NAME])
async def test_check_follows_the_data_plane(service):
    planes = Planes()
    health = _health(planes)
    assert await _check(health, service) == "SERVING"
    planes.is_ready = False
    assert await _check(health, service) == "NOT_SERVING"


async def test_check_of_an_unknown_service_is_not_found():
    with pytest.raises(NotFound, match="unknown service 'x'"):
        await _check(_health(Planes()), "x")


async def test_check_of_no_message_is_refused():
    with pytest.raises(InvalidArgument, match="not a valid HealthCheckRequest"):
        await _health(Planes()).unary[f"/{SERVICE_NAME}/Check"](b"\xff", CallContext())


async def test_watch_tells_every_change():
    planes = Planes()
    async with _watch(_health(planes), _once(NAME)) as replies:
        for ready, word in ((True, "SERVING"), (False, "NOT_SERVING"), (True, "SERVING")):
            planes.is_ready = ready
            assert _status(await anext(replies)) == word


async def test_watch_of_an_unknown_service_waits_for_it():
    async with _watch(_health(Planes()), _once("later")) as replies:
        assert _status(await anext(replies)) == "SERVICE_UNKNOWN"


async def test_stopping_is_told_at_once_and_ends_the_watch():
    health = _health(Planes(), interval_s=3600)
    async with _watch(health, _once("")) as replies:
        assert _status(await anext(replies)) == "SERVING"
        waiting = asyncio.ensure_future(anext(replies))
        await asyncio.sleep(0)
        health.stop()
        assert _status(await waiting) == "NOT_SERVING"
        with pytest.raises(Unavailable):
            await anext(replies)
    assert await _check(health) == "NOT_SERVING"


async def test_watch_without_a_message_is_refused():
    async def nothing():
        return
        yield

    async with _watch(_health(Planes()), nothing()) as replies:
        with pytest.raises(InvalidArgument):
            await anext(replies)
