"""Carries transport-neutral servicers as an ASGI application, for servers with HTTP/2 trailers.

After gRPC's `PROTOCOL-HTTP2.md`: an answer is a 200 whose trailers hold the status; an error before
any answer is told by headers alone.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Mapping, Sequence
from contextlib import aclosing
from types import MappingProxyType
from typing import TypeVar

from starlette.types import Message, Receive, Scope, Send

from server.access.access import Access
from server.errors import (
    Cancelled,
    DeadlineExceeded,
    InvalidArgument,
    ServingError,
    TooLarge,
    Unsupported,
)
from server.frontends.calls import (
    CallContext,
    Servicer,
    StreamHandler,
    as_serving_error,
)
from server.frontends.calls_edge import until_set
from server.frontends.disconnect import CancelWhenGone
from server.frontends.gate import authorization
from server.frontends.grpc_frames import (
    ACCEPTED,
    Frame,
    Frames,
    framed,
    plain_message,
    unpacked,
)
from server.frontends.grpc_head import CONTENT_TYPE, CallHead, RawHeaders
from server.frontends.grpc_incoming import Incoming
from server.frontends.grpc_rights import PROTOCOL, method_needs
from server.frontends.grpc_status import status_fields
from server.frontends.limits import FrontendLimits, answer_too_large_message
from server.frontends.polled import PolledReceive

T = TypeVar("T")
NOTHING: Mapping[str, str] = MappingProxyType({})

_HEADERS = [
    (b"content-type", CONTENT_TYPE),
    (b"grpc-accept-encoding", ",".join(ACCEPTED).encode()),
]
_START = {"type": "http.response.start", "status": 200, "headers": _HEADERS, "trailers": True}
_OK = {"type": "http.response.trailers", "headers": [(b"grpc-status", b"0")]}


class GrpcAsgi:
    """Answers calls of those whom `access` lets in; setting `stopping` ends streams once
    what was read from them is answered.
    """

    def __init__(
        self,
        servicers: Sequence[Servicer],
        limits: FrontendLimits,
        stopping: asyncio.Event,
        access: Access,
    ) -> None:
        self._access = access
        self._unary = {path: one for each in servicers for path, one in each.unary.items()}
        self._streams = {path: one for each in servicers for path, one in each.streams.items()}
        self._max_bytes = limits.max_message_bytes
        self._check_s = limits.disconnect_check_s
        self._stopping = stopping

    @staticmethod
    def takes(scope: Scope, headers: RawHeaders) -> bool:
        """True for a call, whatever it calls."""
        kind = headers.get(b"content-type", b"")
        return scope["http_version"] == "2" and (
            kind == CONTENT_TYPE or kind.startswith((CONTENT_TYPE + b"+", CONTENT_TYPE + b";"))
        )

    async def __call__(
        self, scope: Scope, headers: RawHeaders, receive: Receive, send: Send
    ) -> None:
        """Serve one call; `headers` are those of `scope`. For `receive` see PolledReceive."""
        path = scope["path"]
        if (stream := self._streams.get(path)) is not None:
            return await self._converse(stream, scope, headers, receive, send)
        try:
            reply, trailing = await self._answer(scope, headers, receive)
        except Exception as error:
            return await _refuse(as_serving_error(error, path), send)
        await send(_START)
        await send({"type": "http.response.body", "body": framed(reply)})
        await send(_with_trailing(trailing) if trailing else _OK)
        return None

    def _admit(self, scope: Scope) -> None:
        if self._access.rules is not None:
            path, client = scope["path"], scope.get("client")
            self._access.check(
                PROTOCOL, path, method_needs(path), authorization(scope["headers"]),
                peer=client[0] if client else "",
            )  # fmt: skip

    # ---- one message each way ------------------------------------------------------------------

    async def _answer(
        self, scope: Scope, headers: RawHeaders, receive: Receive
    ) -> tuple[bytes, Mapping[str, str]]:
        """The answer, and what goes behind it."""
        self._admit(scope)
        handler = self._unary.get(scope["path"])
        if handler is None:
            raise Unsupported(f"unknown method {scope['path'][:200]}")
        call = CallHead(scope, headers)
        event = await receive()
        payload = plain_message(event, self._max_bytes)
        if payload is None:
            frame = await self._only_frame(event, receive)
            payload = await unpacked(frame, call.encoding, self._max_bytes)
        with CancelWhenGone(PolledReceive(receive), self._check_s):
            work = handler(payload, call.context)
            reply = await (work if call.seconds is None else _in_time(work, call.seconds))
        self._check_reply(reply)
        return reply, call.context.trailing

    async def _only_frame(self, event: Message, receive: Receive) -> Frame:
        """The one message of a body that begins with `event`."""
        frames, found = Frames(self._max_bytes), []
        while True:
            if event["type"] == "http.disconnect":
                raise Cancelled("the client went away before its request was complete")
            found += frames.feed(event.get("body", b""))
            if not event.get("more_body", False) or len(found) > 1:
                break
            event = await receive()
        frames.finish()
        if len(found) != 1:
            raise InvalidArgument("this method takes one message, no more and no less")
        return found[0]

    def _check_reply(self, reply: bytes) -> None:
        if len(reply) > self._max_bytes:
            raise TooLarge(answer_too_large_message(len(reply), self._max_bytes))

    # ---- streams -------------------------------------------------------------------------------

    async def _converse(
        self, handler: StreamHandler, scope: Scope, headers: RawHeaders, receive: Receive,
        send: Send,
    ) -> None:  # fmt: skip
        answering = _Answering(send)
        try:
            self._admit(scope)
            call = CallHead(scope, headers)
            incoming = Incoming(PolledReceive(receive), call.encoding, self._max_bytes)
            with CancelWhenGone(incoming.until_gone, 0.0):
                work = self._work(handler, incoming.messages(), call.context, answering)
                await _in_time(work, call.seconds)
        except Exception as error:
            await answering.end(as_serving_error(error, scope["path"]))
        else:
            await answering.end(None, call.context.trailing)

    async def _work(
        self,
        handler: StreamHandler,
        messages: AsyncIterator[bytes],
        context: CallContext,
        answering: _Answering,
    ) -> None:
        async with (
            aclosing(until_set(self._stopping, messages)) as received,
            aclosing(handler(received, context)) as replies,
        ):
            async for reply in replies:
                self._check_reply(reply)
                await answering.send(reply)


class _Answering:
    """The answering side of a stream."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._begun = False

    async def send(self, reply: bytes) -> None:
        """One more answer; returns when the server has room for another."""
        body = {"type": "http.response.body", "body": framed(reply), "more_body": True}
        try:
            await self._begin()
            await self._send(body)
        except Exception as error:  # each server has one of its own for this
            raise Cancelled("the client went away") from error

    async def end(self, error: ServingError | None, trailing: Mapping[str, str] = NOTHING) -> None:
        """No more answers; `trailing` goes behind them."""
        if error is not None and not self._begun:
            return await _refuse(error, self._send)
        await self._begin()
        await self._send({"type": "http.response.body", "body": b""})
        if error is not None:
            await self._send({**_OK, "headers": status_fields(error)})
        else:
            await self._send(_with_trailing(trailing) if trailing else _OK)
        return None

    async def _begin(self) -> None:
        if not self._begun:
            self._begun = True
            await self._send(_START)


async def _in_time(work: Awaitable[T], seconds: float | None) -> T:
    """What `work` gives. Raises DeadlineExceeded when the client's `seconds` for it are over."""
    try:
        async with asyncio.timeout(seconds) as limit:
            return await work
    except TimeoutError:
        if not limit.expired():
            raise
        raise DeadlineExceeded("the call's deadline has passed") from None


def _with_trailing(trailing: Mapping[str, str]) -> Message:
    fields = [(name.encode(), value.encode()) for name, value in trailing.items()]
    return {**_OK, "headers": [(b"grpc-status", b"0"), *fields]}


async def _refuse(error: ServingError, send: Send) -> None:
    headers = [*_HEADERS, *status_fields(error)]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b""})
