"""Wraps transport-neutral handlers for grpc.aio: sizes, deadlines, errors in; statuses out."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping
from contextlib import aclosing
from typing import NoReturn

import grpc
import grpc.aio

from runtimes.contract.codes import Code
from server.errors import ServingError, TooLarge, Unavailable
from server.frontends.calls import CallContext, StreamHandler, UnaryHandler, as_serving_error
from server.frontends.limits import answer_too_large_message, too_large_message

STATUS: Mapping[Code, grpc.StatusCode] = {
    Code.INVALID_ARGUMENT: grpc.StatusCode.INVALID_ARGUMENT,
    Code.NOT_FOUND: grpc.StatusCode.NOT_FOUND,
    Code.TOO_LARGE: grpc.StatusCode.RESOURCE_EXHAUSTED,
    Code.UNAVAILABLE: grpc.StatusCode.UNAVAILABLE,
    Code.OVERLOADED: grpc.StatusCode.RESOURCE_EXHAUSTED,
    Code.DEADLINE_EXCEEDED: grpc.StatusCode.DEADLINE_EXCEEDED,
    Code.CANCELLED: grpc.StatusCode.CANCELLED,
    Code.UNSUPPORTED: grpc.StatusCode.UNIMPLEMENTED,
    Code.INTERNAL: grpc.StatusCode.INTERNAL,
}

# Clients refuse trailers over 8 KiB, and a byte may become three on the way.
_MAX_DETAILS_BYTES = 2000
_NO_DEADLINE_S = 365 * 86400.0

_Context = grpc.aio.ServicerContext[bytes, bytes]


class GrpcCarrier:
    """Turns handlers of bytes into grpc.aio method handlers; setting `stopping` ends streams."""

    def __init__(self, max_message_bytes: int, stopping: asyncio.Event) -> None:
        self._max_message_bytes = max_message_bytes
        self._stopping = stopping

    def unary(self, path: str, handler: UnaryHandler) -> grpc.RpcMethodHandler[bytes, bytes]:
        """One message each way."""

        async def handle(payload: bytes, context: _Context) -> bytes:
            try:
                self._check_request(payload)
                call = _call_context(context)
                reply = await handler(payload, call)
                self._check_reply(reply)
                if call.trailing:
                    context.set_trailing_metadata(tuple(call.trailing.items()))
            except Exception as error:
                await _abort(context, as_serving_error(error, path))
            return reply

        return grpc.unary_unary_rpc_method_handler(handle)

    def stream(self, path: str, handler: StreamHandler) -> grpc.RpcMethodHandler[bytes, bytes]:
        """Any number of messages each way."""

        async def handle(messages: AsyncIterator[bytes], context: _Context) -> None:
            call = _call_context(context)
            try:
                async with (
                    aclosing(self._received(messages)) as received,
                    aclosing(handler(received, call)) as replies,
                ):
                    async for reply in replies:
                        self._check_reply(reply)
                        await context.write(reply)
            except Exception as error:
                await _abort(context, as_serving_error(error, path))

        return grpc.stream_stream_rpc_method_handler(handle)

    async def _received(self, messages: AsyncIterator[bytes]) -> AsyncGenerator[bytes, None]:
        """Messages as they come; Unavailable once the server is stopping."""
        stopping = asyncio.create_task(_set(self._stopping))
        reading: asyncio.Task[bytes | None] | None = None
        try:
            while True:
                reading = asyncio.create_task(_next(messages))
                await asyncio.wait((stopping, reading), return_when=asyncio.FIRST_COMPLETED)
                # Even with a message at hand: a client that keeps sending must not hold the server.
                if stopping.done():
                    raise Unavailable("the server is stopping")
                if (message := reading.result()) is None:
                    return
                self._check_request(message)
                yield message
        finally:
            stopping.cancel()
            if reading is not None:
                reading.cancel()

    def _check_request(self, payload: bytes) -> None:
        if len(payload) > self._max_message_bytes:
            raise TooLarge(too_large_message(self._max_message_bytes))

    def _check_reply(self, reply: bytes) -> None:
        if len(reply) > self._max_message_bytes:
            raise TooLarge(answer_too_large_message(len(reply), self._max_message_bytes))


async def _set(event: asyncio.Event) -> None:
    await event.wait()


async def _next(messages: AsyncIterator[bytes]) -> bytes | None:
    return await anext(messages, None)


class _Metadata(Mapping[str, str]):
    """A call's text metadata, read when first asked for: most calls are not asked."""

    __slots__ = ("_context", "_entries")

    def __init__(self, context: _Context) -> None:
        self._context = context
        self._entries: dict[str, str] | None = None

    def _read(self) -> dict[str, str]:
        if self._entries is None:
            given = self._context.invocation_metadata() or ()
            self._entries = {key: value for key, value in given if isinstance(value, str)}
        return self._entries

    def __getitem__(self, key: str) -> str:
        return self._read()[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._read())

    def __len__(self) -> int:
        return len(self._read())


def _call_context(context: _Context) -> CallContext:
    remaining: float | None = context.time_remaining()
    # Clients that want no deadline may say so with one far away.
    if remaining is None or remaining > _NO_DEADLINE_S:
        return CallContext(_Metadata(context))
    return CallContext(_Metadata(context), time.monotonic_ns() + int(remaining * 1e9))


async def _abort(context: _Context, error: ServingError) -> NoReturn:
    trailing: tuple[tuple[str, str], ...] = ()
    if error.retry_after is not None:
        # The key that clients' own retry policies obey.
        trailing = (("grpc-retry-pushback-ms", str(int(error.retry_after * 1000))),)
    details = error.message.encode("utf-8", "replace")[:_MAX_DETAILS_BYTES].decode(errors="ignore")
    await context.abort(STATUS[error.code], details, trailing)
