"""Answers sent as plain ASGI, past the web framework, whose routing, middleware and request objects
cost several times what an inference costs here.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence

import structlog
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from runtimes.contract.record import record
from runtimes.contract.tensor import Buffer
from server.errors import ServingError, TooLarge
from server.frontends.body import receive_body
from server.frontends.compression import MIN_BYTES, compress, negotiate
from server.frontends.limits import answer_too_large_message
from server.frontends.rest_errors import UNEXPECTED, error_response, serving_error_response

RawHeaders = Mapping[bytes, bytes]

Header = tuple[bytes, bytes]

JSON_TYPE = (b"content-type", b"application/json")

_log = structlog.get_logger(__name__)


@record
class DirectAnswer:
    """A 200: its body in `parts`, `size` bytes in all, and its headers without Content-Length."""

    parts: Sequence[Buffer]
    size: int
    headers: list[Header]


Answering = Callable[[RawHeaders, Receive], Awaitable[DirectAnswer]]
"""Answers a request by its headers, their names in lower case, and its body; raises
ServingError."""


async def body_of(headers: RawHeaders, receive: Receive, limit: int) -> Buffer:
    """The whole body, decompressed; raises as `receive_body` does."""
    encoding = text_of(headers, b"content-encoding")
    return await receive_body(receive, encoding, text_of(headers, b"content-length"), limit)


async def bounded(
    parts: Sequence[Buffer], fields: list[Header], asked: RawHeaders, limit: int
) -> DirectAnswer:
    """The answer with this body, compressed where the request's headers `asked` for that.

    Raises TooLarge over `limit` bytes before compression.
    """
    if (size := sum(map(len, parts))) > limit:
        raise TooLarge(answer_too_large_message(size, limit))
    if size >= MIN_BYTES and (coding := negotiate(text_of(asked, b"accept-encoding"))):
        packed = await compress(parts, coding)
        return DirectAnswer(
            [packed], len(packed), [*fields, (b"content-encoding", coding.encode())]
        )
    return DirectAnswer(parts, size, fields)


def text_of(headers: RawHeaders, name: bytes) -> str:
    """A header's value, "" where it is absent."""
    value = headers.get(name)
    return "" if value is None else value.decode("latin-1")


async def serve(answering: Answering, scope: Scope, receive: Receive, send: Send) -> None:
    """Answer the request of `scope`, whatever comes of it."""
    # Of a header given twice the first counts, as with the framework.
    headers = dict(reversed(list(scope["headers"])))
    try:
        answer = await answering(headers, receive)
    except ServingError as error:
        await serving_error_response(error)(scope, receive, send)
    except Exception:
        _log.exception("unexpected error", method=scope["method"], path=scope["path"])
        await error_response(500, UNEXPECTED)(scope, receive, send)
    else:
        await _send(answer, send)


async def by_the_framework(answering: Answering, request: Request) -> Response:
    """The same as an answer of the framework; raises ServingError."""
    answer = await answering(dict(reversed(request.headers.raw)), request.receive)
    response = Response(b"".join(answer.parts))
    response.raw_headers += answer.headers
    return response


async def _send(answer: DirectAnswer, send: Send) -> None:
    headers = [*answer.headers, (b"content-length", b"%d" % answer.size)]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    # Tensors are views into buffers that are not ours to keep until a slow client has read them.
    await send({"type": "http.response.body", "body": b"".join(answer.parts)})
