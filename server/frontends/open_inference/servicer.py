"""The Open Inference Protocol's gRPC service, free of any transport."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from contextlib import aclosing
from dataclasses import replace
from functools import partial
from typing import TypeVar

from google.protobuf.message import Message

from protos import inference_pb2 as pb
from server.errors import ServingError, TooLarge
from server.exchange import Exchange
from server.frontends.calls import CallContext, StreamHandler, UnaryHandler, as_serving_error
from server.frontends.grpc_wire import parse
from server.frontends.limits import FrontendLimits, answer_too_large_message
from server.frontends.off_loop import by_size
from server.frontends.open_inference import grpc_settings as settings
from server.frontends.open_inference.classification import classify
from server.frontends.open_inference.grpc_codec import (
    Decoded,
    decode_infer,
    encode_infer,
    encode_stream_error,
    encode_stream_infer,
    named,
    request_id,
)
from server.frontends.open_inference.grpc_plan import decode_planned
from server.frontends.open_inference.grpc_queries import Queries
from server.frontends.pipeline import in_order
from server.frontends.server_timing import METADATA as TIMING
from server.frontends.server_timing import server_timing
from server.frontends.trace_context import begun_by_call
from server.inference import InferenceResponse
from server.planes import ControlPlane, DataPlane, ModelMetadata

SERVICE_NAME = pb.DESCRIPTOR.services_by_name["GRPCInferenceService"].full_name
STREAM_CONCURRENCY = 8
"""Requests of one stream under way at once; also bounds the answers held for a slow reader."""

_PROTOCOL = "grpc"
_STATUS_ON_STREAM = "triton_grpc_error"

Request = TypeVar("Request", bound=Message)


class OpenInferenceServicer:
    """Handlers of every method of `inference.GRPCInferenceService`, by method path."""

    def __init__(self, data: DataPlane, control: ControlPlane, limits: FrontendLimits) -> None:
        self._data = data
        self._limits = limits
        queries = Queries(data, control, limits.server_version)
        self.unary: Mapping[str, UnaryHandler] = {
            _path("ModelInfer"): self._model_infer,
            **_described(data, control, queries),
            **_shared_memory(),
        }
        self.streams: Mapping[str, StreamHandler] = {
            _path("ModelStreamInfer"): self._model_stream_infer
        }

    async def _model_infer(self, payload: bytes, context: CallContext) -> bytes:
        with self._data.exchange(_PROTOCOL) as exchange:
            reply = encode_infer(await self._infer(payload, context, exchange))
            self._encoded(reply, exchange)
            if self._limits.server_timing:
                context.trailing[TIMING] = server_timing(exchange)
            return reply

    async def _model_stream_infer(
        self, messages: AsyncIterator[bytes], context: CallContext
    ) -> AsyncGenerator[bytes, None]:
        """One answer per message, in order; an error is an answer unless the client asks else."""
        errors_end_stream = context.metadata.get(_STATUS_ON_STREAM) == "true"

        async def answer(payload: bytes) -> bytes:
            try:
                with self._data.exchange(_PROTOCOL) as exchange:
                    response = await self._infer(payload, context, exchange)
                    reply = encode_stream_infer(response)
                    self._encoded(reply, exchange)
                    return reply
            except Exception as error:
                if errors_end_stream:
                    raise
                told = as_serving_error(error, _path("ModelStreamInfer"))
                return encode_stream_error(told.message, request_id(payload))

        async with aclosing(in_order(messages, answer, STREAM_CONCURRENCY)) as replies:
            async for reply in replies:
                yield reply

    async def _infer(
        self, payload: bytes, context: CallContext, exchange: Exchange
    ) -> InferenceResponse:
        exchange.bytes_in = len(payload)
        try:
            decoded = await _decode(payload, context.deadline_ns)
        except ServingError:
            exchange.model, exchange.version = named(payload)
            begun_by_call(exchange, context)
            raise
        request = decoded.request
        exchange.model = request.model
        begun_by_call(exchange, context)
        if not decoded.classes:
            return await self._data.infer(request, exchange)
        # Asked before, because the version that answers may be gone right after.
        metadata = self._data.metadata(request.model, request.version).of(request.signature)
        response = await self._data.infer(request, exchange)
        return _with_classes(response, decoded.classes, metadata)

    def _encoded(self, reply: bytes, exchange: Exchange) -> None:
        """The answer is ready, and counted as one: what cannot be sent is none."""
        most = self._limits.max_message_bytes
        if len(reply) > most:
            raise TooLarge(answer_too_large_message(len(reply), most))
        exchange.encoded(len(reply))


def _path(method: str) -> str:
    return f"/{SERVICE_NAME}/{method}"


def _described(data: DataPlane, control: ControlPlane, queries: Queries) -> dict[str, UnaryHandler]:
    trace = partial(settings.trace_setting, data, control)
    log = partial(settings.log_settings, control)

    return {
        _path("ServerLive"): _now(pb.ServerLiveRequest, queries.server_live),
        _path("ServerReady"): _now(pb.ServerReadyRequest, queries.server_ready),
        _path("ModelReady"): _now(pb.ModelReadyRequest, queries.model_ready),
        _path("ServerMetadata"): _now(pb.ServerMetadataRequest, queries.server_metadata),
        _path("ModelMetadata"): _now(pb.ModelMetadataRequest, queries.model_metadata),
        _path("ModelConfig"): _now(pb.ModelConfigRequest, queries.model_config),
        _path("ModelStatistics"): _later(pb.ModelStatisticsRequest, queries.model_statistics),
        _path("RepositoryIndex"): _later(pb.RepositoryIndexRequest, queries.repository_index),
        _path("RepositoryModelLoad"): _later(pb.RepositoryModelLoadRequest, queries.load),
        _path("RepositoryModelUnload"): _later(pb.RepositoryModelUnloadRequest, queries.unload),
        _path("TraceSetting"): _later(pb.TraceSettingRequest, trace),
        _path("LogSettings"): _later(pb.LogSettingsRequest, log),
    }


def _shared_memory() -> dict[str, UnaryHandler]:
    register = settings.refuse_registration
    return {
        _path("SystemSharedMemoryStatus"): _now(
            pb.SystemSharedMemoryStatusRequest, settings.system_regions
        ),
        _path("SystemSharedMemoryRegister"): _now(pb.SystemSharedMemoryRegisterRequest, register),
        _path("SystemSharedMemoryUnregister"): _now(
            pb.SystemSharedMemoryUnregisterRequest, settings.forget_system_region
        ),
        _path("CudaSharedMemoryStatus"): _now(
            pb.CudaSharedMemoryStatusRequest, settings.cuda_regions
        ),
        _path("CudaSharedMemoryRegister"): _now(pb.CudaSharedMemoryRegisterRequest, register),
        _path("CudaSharedMemoryUnregister"): _now(
            pb.CudaSharedMemoryUnregisterRequest, settings.forget_cuda_region
        ),
    }


def _now(kind: type[Request], answer: Callable[[Request], Message]) -> UnaryHandler:
    """A handler of bytes around an answer that needs no waiting."""

    async def handle(payload: bytes, context: CallContext) -> bytes:
        return answer(parse(kind, payload)).SerializeToString()

    return handle


def _later(kind: type[Request], answer: Callable[[Request], Awaitable[Message]]) -> UnaryHandler:
    """A handler of bytes around an answer that takes time."""

    async def handle(payload: bytes, context: CallContext) -> bytes:
        return (await answer(parse(kind, payload))).SerializeToString()

    return handle


async def _decode(payload: bytes, deadline_ns: int) -> Decoded:
    now_ns = time.monotonic_ns()
    if (planned := decode_planned(payload, now_ns, deadline_ns)) is not None:
        return planned
    return await by_size(len(payload), decode_infer, payload, now_ns, deadline_ns)


def _with_classes(
    response: InferenceResponse, classes: Mapping[str, int], metadata: ModelMetadata
) -> InferenceResponse:
    """`response` with the outputs in `classes` replaced by their highest values."""
    labels, batched = metadata.settings.output_labels, metadata.max_batch_size > 0
    outputs = tuple(
        classify(tensor, classes[tensor.name], labels.get(tensor.name, ()), batched)
        if tensor.name in classes
        else tensor
        for tensor in response.outputs
    )
    return replace(response, outputs=outputs)
