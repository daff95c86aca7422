"""Lets calls in by who asks, before gRPC reads or unpacks their messages."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TYPE_CHECKING

import grpc
import grpc.aio

from server.access.access import Access
from server.errors import ServingError
from server.frontends.grpc_carrier import abort
from server.frontends.grpc_rights import PROTOCOL, authorization, method_needs

if TYPE_CHECKING:
    Handler = grpc.RpcMethodHandler[bytes, bytes]


class GrpcGate(grpc.aio.ServerInterceptor):  # type: ignore[type-arg]
    """In front of all methods of a server, those that are not there included."""

    def __init__(self, access: Access) -> None:
        self._access = access

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Handler]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Handler:
        """The handler of a call that is let in, else one that refuses it."""
        method = handler_call_details.method
        shown = authorization(handler_call_details.invocation_metadata or ())
        try:
            self._access.check(PROTOCOL, method, method_needs(method), shown)
        except ServingError as error:
            return _refusing(error)
        return await continuation(handler_call_details)


def _refusing(error: ServingError) -> Handler:
    """As a stream, whatever was called: of a stream nothing is read before it is asked for."""

    async def refuse(
        _messages: AsyncIterator[bytes], context: grpc.aio.ServicerContext[bytes, bytes]
    ) -> None:
        await abort(context, error)

    return grpc.stream_stream_rpc_method_handler(refuse)
