"""Wraps transport-neutral handlers for grpc.aio: sizes, deadlines, errors in; statuses out."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing
from typing import NoReturn

import grpc
import grpc.aio

from runtimes.contract.codes import Code
from server.errors import ServingError, TooLarge
from server.frontends.calls import CallContext, StreamHandler, UnaryHandler, as_serving_error
from server.frontends.calls_edge import LazyMetadata, deadline_in, until_set
from server.frontends.grpc_status import PUSHBACK, STATUS_NUMBER, details, pushback_ms
from server.frontends.limits import answer_too_large_message, too_large_message

_BY_NUMBER = {status.value[0]: status for status in grpc.StatusCode}
STATUS: Mapping[Code, grpc.StatusCode] = {
    code: _BY_NUMBER[number] for code, number in STATUS_NUMBER.items()
}

_Context = grpc.aio.ServicerContext[bytes, bytes]


class GrpcCarrier:
    """Turns handlers of bytes into grpc.aio method handlers; setting `stopping` ends streams."""

    def __init__(self, max_message_bytes: int, stopping: asyncio.Event) -> None:
        self._max_message_bytes = max_message_bytes
        self._stopping = stopping

    def unary(self, path: str, handler: UnaryHandler) -> grpc.RpcMethodHandler[bytes, bytes]:
        """One message each way."""

        async def handle(payload: bytes, context: _Context) -> bytes:
            call = _call_context(context)
            try:
                self._check_request(payload)
                reply = await handler(payload, call)
                self._check_reply(reply)
                if call.trailing:
                    context.set_trailing_metadata(tuple(call.trailing.items()))
            except Exception as error:
                await abort(context, as_serving_error(error, path))
            return reply

        return grpc.unary_unary_rpc_method_handler(handle)

    def stream(self, path: str, handler: StreamHandler) -> grpc.RpcMethodHandler[bytes, bytes]:
        """Any number of messages each way."""

        async def handle(messages: AsyncIterator[bytes], context: _Context) -> None:
            call = _call_context(context)
            try:
                async with (
                    aclosing(until_set(self._stopping, messages)) as received,
                    aclosing(self._checked(received)) as checked,
                    aclosing(handler(checked, call)) as replies,
                ):
                    async for reply in replies:
                        self._check_reply(reply)
                        await context.write(reply)
                if call.trailing:
                    context.set_trailing_metadata(tuple(call.trailing.items()))
            except Exception as error:
                await abort(context, as_serving_error(error, path))

        return grpc.stream_stream_rpc_method_handler(handle)

    async def _checked(self, messages: AsyncIterator[bytes]) -> AsyncGenerator[bytes, None]:
        async for message in messages:
            self._check_request(message)
            yield message

    def _check_request(self, payload: bytes) -> None:
        if len(payload) > self._max_message_bytes:
            raise TooLarge(too_large_message(self._max_message_bytes))

    def _check_reply(self, reply: bytes) -> None:
        if len(reply) > self._max_message_bytes:
            raise TooLarge(answer_too_large_message(len(reply), self._max_message_bytes))


def _call_context(context: _Context) -> CallContext:
    metadata = LazyMetadata(lambda: context.invocation_metadata() or ())
    return CallContext(metadata, deadline_in(context.time_remaining()))


async def abort(context: _Context, error: ServingError) -> NoReturn:
    """End a call with `error`."""
    trailing = tuple(error.told.items())
    if (pushback := pushback_ms(error)) is not None:
        trailing += ((PUSHBACK, pushback),)
    await context.abort(STATUS[error.code], details(error), trailing)
