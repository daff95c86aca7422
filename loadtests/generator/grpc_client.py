"""The gRPC side of the load: serialised once, over one channel, as clients do it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence

import grpc

from loadtests.generator.answer import TIMEOUT, Answer, stages_of
from loadtests.wire.token import Token

LARGEST = -1
"""No bound on messages: it is the server's that are tested."""

VersionOf = Callable[[bytes], int]


class GrpcClient:
    """One channel; a request waits where `clients` of them are under way."""

    def __init__(
        self,
        address: str,
        method: str,
        requests: Sequence[bytes],
        version_of: VersionOf | None,
        token: Token,
        credentials: grpc.ChannelCredentials | None = None,
    ) -> None:
        self._requests = requests
        self._version_of = version_of
        self._token = token
        self._shown = tuple(token.headers.items())
        options = [("grpc.max_receive_message_length", LARGEST)]
        self._channel = (
            grpc.aio.insecure_channel(address, options)
            if credentials is None
            else grpc.aio.secure_channel(address, credentials, options)
        )
        self._call = self._channel.unary_unary(method, None, None)
        self._slots = asyncio.Semaphore(1)

    async def open(self, clients: int) -> None:
        """Connect; waits as long as nothing answers."""
        self._slots = asyncio.Semaphore(clients)
        await self._channel.channel_ready()

    async def ask(self, request: int) -> Answer:
        """Send one request and tell what came of it; never raises."""
        async with self._slots:
            started, sent = time.monotonic(), time.time()
            call = self._call(self._requests[request], timeout=TIMEOUT, metadata=self._shown)
            try:
                response = await call
            except grpc.aio.AioRpcError as error:
                details = self._token.hidden_in(error.details() or "")
                failure = f"{error.code().name} {details}"
                return Answer(started, sent, time.time(), failure=failure)
            answered = time.time()
            timing = dict(await call.trailing_metadata() or ()).get("server-timing", "")
            stages = stages_of(str(timing)) if timing else {}
            version = self._version_of(response) if self._version_of else 0
            return Answer(started, sent, answered, version, stages=stages)

    async def close(self) -> None:
        """Disconnect."""
        await self._channel.close(None)
