"""The shape of a gRPC servicer that knows no transport: bytes and metadata in, bytes out.

grpc.aio carries these (`frontends/grpc.py`), and so does an ASGI server with HTTP/2 trailers
(`frontends/grpc_asgi.py`). An error is a ServingError.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from server.errors import Internal, ServingError

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class CallContext:
    """What came with a call besides its message.

    `metadata` holds the text entries only, keys in lower case. `deadline_ns` is on the monotonic
    clock, 0 for none. What a handler puts into `trailing` goes back as metadata behind its answer.
    """

    metadata: Mapping[str, str] = field(default_factory=dict)
    deadline_ns: int = 0
    trailing: dict[str, str] = field(default_factory=dict)


UnaryHandler = Callable[[bytes, CallContext], Awaitable[bytes]]
StreamHandler = Callable[[AsyncIterator[bytes], CallContext], AsyncGenerator[bytes, None]]


class Servicer(Protocol):
    """Handlers by full method path, such as `/inference.GRPCInferenceService/ModelInfer`.

    A stream handler ends when its messages end, and raises ServingError to end with that error.
    """

    @property
    def unary(self) -> Mapping[str, UnaryHandler]:
        """Methods with one message each way."""

    @property
    def streams(self) -> Mapping[str, StreamHandler]:
        """Methods with any number of messages each way."""


def service_names(servicers: Sequence[Servicer]) -> list[str]:
    """The services that `servicers` have methods of."""
    paths = [path for one in servicers for path in (*one.unary, *one.streams)]
    return sorted({path.split("/")[1] for path in paths})


def as_serving_error(error: Exception, method: str) -> ServingError:
    """What a client may know of `error`; anything unforeseen goes to the log instead."""
    if isinstance(error, ServingError):
        return error
    _log.error("unexpected error in %s", method, exc_info=error)
    return Internal("internal error; see the server's log")
