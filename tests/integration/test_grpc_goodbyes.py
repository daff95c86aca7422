"""How gRPC clients are sent elsewhere without losing a call: by age, and by their health checks."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator

import grpc.aio
import grpc_health.v1.health  # noqa: F401  # with it imported, gRPC channels check health

from server.access.access import open_to_all
from server.frontends.closing import Closing
from server.frontends.grpc import GrpcFrontend
from server.frontends.limits import FrontendLimits
from server.frontends.open_inference.servicer import OpenInferenceServicer
from tests.unit.server.frontends.grpc_double import PREFIX, Planes, infer_message, y

SPREAD = json.dumps(
    {
        "loadBalancingConfig": [{"round_robin": {}}],
        "healthCheckConfig": {"serviceName": "inference.GRPCInferenceService"},
    }
)
"""What a client sets to spread its calls over all servers that are ready."""


def frontend(planes: Planes, closing: Closing = Closing()) -> GrpcFrontend:  # noqa: B008  # frozen
    limits = FrontendLimits()
    return GrpcFrontend(
        [OpenInferenceServicer(planes, planes, limits)],
        planes,
        limits,
        open_to_all(),
        closing=closing,
    )


class Relay:
    """Hands bytes to `port` and back, and counts who came."""

    def __init__(self, port: int) -> None:
        self._port = port
        self.connections = 0

    async def start(self) -> int:
        self._server = await asyncio.start_server(self._carry, "127.0.0.1", 0)
        return int(self._server.sockets[0].getsockname()[1])

    def stop(self) -> None:
        self._server.close()

    async def _carry(self, reader, writer) -> None:
        self.connections += 1
        other = await asyncio.open_connection("127.0.0.1", self._port)
        await asyncio.gather(_copy(reader, other[1]), _copy(other[0], writer))


async def _copy(reader, writer) -> None:
    with contextlib.suppress(ConnectionError):
        while data := await reader.read(65536):
            writer.write(data)
    writer.close()


@contextlib.asynccontextmanager
async def asking(address: str, options: list[tuple[str, str]]) -> AsyncIterator[list[int]]:
    """A client that asks again and again; yields how often it was answered. No call may fail."""
    answers = [0]

    async def ask(channel: grpc.aio.Channel) -> None:
        call = channel.unary_unary(PREFIX + "ModelInfer")
        message = infer_message().SerializeToString()
        while True:
            await call(message, timeout=30)
            answers[0] += 1

    async with grpc.aio.insecure_channel(address, options=options) as channel:
        tasks = [asyncio.create_task(ask(channel)) for _ in range(4)]
        yield answers
        failed = [task.exception() for task in tasks if task.done()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    assert failed == []


async def until(condition) -> None:
    async with asyncio.timeout(30):
        while not condition():
            await asyncio.sleep(0.01)


async def test_a_client_connects_anew_at_the_age_and_loses_nothing():
    server = frontend(Planes(outputs=(y(1, 2, 3),)), Closing(max_age=0.1))
    relay = Relay(await server.start("127.0.0.1", 0))
    port = await relay.start()

    async with asking(f"127.0.0.1:{port}", []):
        await until(lambda: relay.connections >= 3)

    relay.stop()
    await server.stop(0)


async def test_a_client_that_checks_health_has_left_before_a_server_stops():
    planes = [Planes(outputs=(y(1, 2, 3),)) for _ in range(2)]
    servers = [frontend(one) for one in planes]
    ports = [await server.start("127.0.0.1", 0) for server in servers]
    address = "ipv4:" + ",".join(f"127.0.0.1:{port}" for port in ports)

    async with asking(address, [("grpc.service_config", SPREAD)]) as answers:
        await until(lambda: all(one.asked for one in planes))
        planes[0].is_ready = False  # as from the SIGTERM on, while it serves on
        await has_left(planes[0], answers)
        await servers[0].stop(5)
        before = answers[0]
        await until(lambda: answers[0] > before + 10)

    await servers[1].stop(0)


async def has_left(planes: Planes, answers: list[int]) -> None:
    """Return when a hundred answers in a row came from elsewhere."""
    aim = answers[0]
    async with asyncio.timeout(30):
        while planes.asked or answers[0] < aim:
            if planes.asked:
                planes.asked.clear()
                aim = answers[0] + 100
            await asyncio.sleep(0.01)
