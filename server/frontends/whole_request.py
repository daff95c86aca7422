"""A small request that is whole before it is answered, past the ASGI server's cycle of events.

uvicorn makes a scope, an event, two channels of messages and a head checked byte by byte for each
request, which cost more than an inference does here. What this lane takes has a body of known and
small size, and needs none of that; all else goes uvicorn's way, to the same endpoint.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from http import HTTPStatus
from typing import Protocol

import structlog
from starlette.responses import Response

from runtimes.contract.tensor import Buffer
from server.errors import Cancelled, ServingError, Unavailable
from server.frontends.direct import DirectAnswer, Header, RawHeaders
from server.frontends.rest_errors import UNEXPECTED, error_response, serving_error_response

MAX_BYTES = 64 * 2**10
"""Bodies up to here are gathered before anyone looks at them."""

_SPECIAL = (b"expect", b"transfer-encoding", b"content-encoding", b"upgrade")

_STATUS = {
    status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n".encode() for status in HTTPStatus
}
_STATUS[499] = b"HTTP/1.1 499 \r\n"
_CLOSE = (b"connection", b"close")

_log = structlog.get_logger(__name__)

WholeAnswering = Callable[[RawHeaders, Buffer, int], Awaitable[DirectAnswer]]
"""Answers a request by its headers, their names in lower case, its whole body, and when its head
was there (nanoseconds on the monotonic clock); raises ServingError."""


class WholeDoor(Protocol):
    """Knows which requests may go this way."""

    def whole(self, url: bytes) -> WholeAnswering | None:
        """Who answers a POST to `url`, the target as the client wrote it; None for nobody here."""

    def admits(self, fields: Iterable[tuple[bytes, bytes]]) -> bool:
        """Whether a request with the header `fields` may be let in; any other is refused the other
        way, before its body is read.
        """


class Connection(Protocol):
    """What a cycle needs of the connection it came on."""

    @property
    def is_full(self) -> bool:
        """True while what is written waits to be taken up."""

    async def writable(self) -> None:
        """Return once it is."""

    def write_whole(self, buffers: Sequence[Buffer]) -> None:
        """Write an answer after all that was written before it."""

    def end(self, *, keep: bool) -> None:
        """The answer is written: close, or `keep` the connection for the next request."""

    def forget(self, cycle: WholeCycle) -> None:
        """Its task is ending."""


class _Unheard:
    """Stands where uvicorn has an event for bodies and disconnects; nobody waits for it."""

    def set(self) -> None:
        """Nothing."""


def body_size(headers: RawHeaders) -> int | None:
    """The size of a body that may be gathered, None for a request that has to go the other way."""
    declared = headers.get(b"content-length", b"")
    if len(declared) > 5 or not declared.isdigit() or (size := int(declared)) > MAX_BYTES:
        return None
    for name in _SPECIAL:
        if name in headers:
            return None
    return size


Outcome = tuple[int, list[Header], Sequence[Buffer]]
"""Status, header fields and body."""


def _told(response: Response) -> Outcome:
    return response.status_code, response.raw_headers, [response.body]


class WholeCycle:
    """One POST to `url` and its answer, in uvicorn's place for it; `add` fills it before it is run.

    `task` is the one that it is run in.
    """

    message_event = _Unheard()

    __slots__ = (
        "_answering", "_begun", "_body", "_connection", "_default_headers", "_head_ns", "_headers",
        "_url", "disconnected", "keep_alive", "response_complete", "response_started", "task",
    )  # fmt: skip

    def __init__(
        self,
        url: bytes,
        answering: WholeAnswering,
        headers: RawHeaders,
        connection: Connection,
        default_headers: list[Header],
        *,
        keep_alive: bool,
    ) -> None:
        self.keep_alive = keep_alive
        self.disconnected = self.response_started = self.response_complete = False
        self.task: asyncio.Task[None] | None = None
        self._head_ns = time.monotonic_ns()
        self._url = url
        self._body: bytes | bytearray = b""
        self._answering = answering
        self._headers = headers
        self._connection = connection
        self._default_headers = default_headers
        self._begun = False

    def add(self, part: bytes) -> None:
        """Take some of the body."""
        if not self._body:
            self._body = part
        elif isinstance(self._body, bytes):
            self._body = bytearray().join((self._body, part))
        else:
            self._body += part

    def gone(self) -> None:
        """The client is not there any more: whoever works for it stops."""
        self.disconnected = True
        if self.task is None or self.response_complete:
            return
        self.task.cancel()
        if not self._begun:  # nor will it ever
            self._connection.forget(self)

    async def run(self) -> None:
        """Answer."""
        self._begun = True
        try:
            await self._send(*await self._outcome())
        except Exception:
            _log.exception("unexpected error", method="POST", path=self._url.decode("latin-1"))
            await self._send(*_told(error_response(500, UNEXPECTED)))
        finally:
            # An idle connection keeps its latest cycle, which is to keep nothing of a client's.
            self._headers = {}
            self._connection.forget(self)

    async def _outcome(self) -> Outcome:
        body, self._body = self._body, b""
        try:
            answer = await self._answering(self._headers, body, self._head_ns)
        except ServingError as error:
            return _told(serving_error_response(error))
        except asyncio.CancelledError:
            if self.disconnected:
                return _told(serving_error_response(Cancelled("the client went away")))
            self.keep_alive = False
            return _told(serving_error_response(Unavailable("the server is stopping")))
        fields = [*answer.headers, (b"content-length", b"%d" % answer.size)]
        return HTTPStatus.OK, fields, answer.parts

    async def _send(self, status: int, fields: list[Header], parts: Sequence[Buffer]) -> None:
        if self._connection.is_full:
            await self._connection.writable()
        if self.disconnected:
            return
        head = self._head(status, fields)
        self.response_started = self.response_complete = True
        self._connection.write_whole([head, *parts])
        self._connection.end(keep=self.keep_alive)

    def _head(self, status: int, fields: list[Header]) -> bytes:
        pieces, given = [_STATUS[status]], [*self._default_headers, *fields]
        if not self.keep_alive:
            given.append(_CLOSE)
        for name, value in given:
            pieces += (name, b": ", value, b"\r\n")
        pieces.append(b"\r\n")
        head = b"".join(pieces)
        # What a client sent may come back in a field; it must not become two.
        if not head.count(b"\n") == head.count(b"\r") == len(given) + 2:
            raise ValueError("a header holds a line break")
        return head
