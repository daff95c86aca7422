"""The gRPC side of the load: serialised once, over one channel, as clients do it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping

import grpc

from loadtests.swap.answer import TIMEOUT, Answer
from protos.inference_pb2 import ModelInferResponse

METHOD = "/inference.GRPCInferenceService/ModelInfer"


class GrpcClient:
    """One channel; a request waits where `clients` of them are under way."""

    def __init__(self, address: str, requests: Mapping[tuple[str, int], bytes]) -> None:
        self._requests = requests
        self._channel = grpc.aio.insecure_channel(address)
        self._infer = self._channel.unary_unary(
            METHOD, request_serializer=None, response_deserializer=ModelInferResponse.FromString
        )
        self._slots = asyncio.Semaphore(1)

    async def open(self, clients: int) -> None:
        """Connect."""
        self._slots = asyncio.Semaphore(clients)
        await self._channel.channel_ready()

    async def ask(self, model: str, rows: int) -> Answer:
        """Send one request and tell what came of it; never raises."""
        async with self._slots:
            started, sent = time.monotonic(), time.time()
            try:
                response = await self._infer(self._requests[model, rows], timeout=TIMEOUT)
            except grpc.aio.AioRpcError as error:
                failure = f"{error.code().name} {error.details()}"
                return Answer(started, sent, time.time(), failure=failure)
            return Answer(started, sent, time.time(), int(response.model_version))

    async def close(self) -> None:
        """Disconnect."""
        await self._channel.close(None)
