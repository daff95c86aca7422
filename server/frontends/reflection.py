"""`grpc.reflection.v1alpha`: tells clients such as grpcurl what can be called, and how."""

from __future__ import annotations

from collections.abc import (
    AsyncGenerator,
    AsyncIterator,
    Callable,
    Collection,
    Iterable,
    Iterator,
    Mapping,
)
from typing import cast

from google.protobuf.descriptor_pool import DescriptorPool
from grpc_reflection.v1alpha import reflection, reflection_pb2

from server.frontends.calls import CallContext, StreamHandler, UnaryHandler
from server.frontends.descriptors import POOLS
from server.frontends.grpc_wire import parse

_Answers = Callable[
    [Iterator[reflection_pb2.ServerReflectionRequest], None],
    Iterable[reflection_pb2.ServerReflectionResponse],
]


class ReflectionServicer:
    """Describes `services` and itself; the library's answers, without its transport."""

    def __init__(self, services: Collection[str]) -> None:
        names = sorted({*services, reflection.SERVICE_NAME})
        pool = cast(DescriptorPool, POOLS)
        # The library's types are those of its stub, which answers nothing.
        self._answers: _Answers = cast(
            _Answers, reflection.ReflectionServicer(names, pool=pool).ServerReflectionInfo
        )
        self.unary: Mapping[str, UnaryHandler] = {}
        self.streams: Mapping[str, StreamHandler] = {
            f"/{reflection.SERVICE_NAME}/ServerReflectionInfo": self._info
        }

    async def _info(
        self, messages: AsyncIterator[bytes], context: CallContext
    ) -> AsyncGenerator[bytes, None]:
        async for message in messages:
            request = parse(reflection_pb2.ServerReflectionRequest, message)
            for answer in self._answers(iter((request,)), None):
                yield answer.SerializeToString()
