"""`grpc.health.v1`: what load balancers ask, answered from the data plane's readiness."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Collection, Mapping

from grpc_health.v1 import health_pb2

from server.errors import InvalidArgument, NotFound, Unavailable
from server.frontends.calls import CallContext, StreamHandler, UnaryHandler
from server.frontends.grpc_wire import parse
from server.planes import DataPlane

SERVICE_NAME: str = health_pb2.DESCRIPTOR.services_by_name["Health"].full_name

_Status = health_pb2.HealthCheckResponse


class HealthServicer:
    """Check and Watch for the server as a whole ("") and for each of `services`.

    Nothing is remembered: a flag could be stale. Watch looks every `interval_s` seconds.
    """

    def __init__(self, data: DataPlane, services: Collection[str], interval_s: float = 1.0) -> None:
        self._data = data
        self._services = frozenset({"", *services})
        self._interval_s = interval_s
        self._stopping = asyncio.Event()
        self.unary: Mapping[str, UnaryHandler] = {f"/{SERVICE_NAME}/Check": self._check}
        self.streams: Mapping[str, StreamHandler] = {f"/{SERVICE_NAME}/Watch": self._watch}

    def stop(self) -> None:
        """Say NOT_SERVING from here on, and end every Watch, which would else hold the server."""
        self._stopping.set()

    async def _check(self, payload: bytes, context: CallContext) -> bytes:
        service = parse(health_pb2.HealthCheckRequest, payload).service
        if service not in self._services:
            raise NotFound(f"unknown service '{service}', expected one of {sorted(self._services)}")
        return self._answer(service)

    async def _watch(
        self, messages: AsyncIterator[bytes], context: CallContext
    ) -> AsyncGenerator[bytes, None]:
        """The status now and whenever it changes, until the client leaves or the server stops."""
        payload = await anext(messages, None)
        if payload is None:
            raise InvalidArgument("Watch needs one HealthCheckRequest")
        service = parse(health_pb2.HealthCheckRequest, payload).service
        told = b""
        while True:
            stopping = self._stopping.is_set()
            if (answer := self._answer(service)) != told:
                told = answer
                yield answer
            if stopping:
                raise Unavailable("the server is stopping")
            await self._pause()

    async def _pause(self) -> None:
        try:
            await asyncio.wait_for(self._stopping.wait(), self._interval_s)
        except TimeoutError:
            return

    def _answer(self, service: str) -> bytes:
        answer = _Status(status=self._status(service))
        encoded: bytes = answer.SerializeToString()
        return encoded

    def _status(self, service: str) -> int:
        if service not in self._services:
            return int(_Status.SERVICE_UNKNOWN)
        serving = self._data.ready() and not self._stopping.is_set()
        return int(_Status.SERVING if serving else _Status.NOT_SERVING)
