"""uvicorn's HTTP/1.1 protocol with bounds on what it leaves unbounded: a head's size and time, the
requests that are read before those in front of them are answered, and a connection's age."""

from __future__ import annotations

import asyncio
from collections.abc import Sized
from http import HTTPStatus
from typing import cast

import orjson
from uvicorn._types import ASGI3Application
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from server.frontends.closing import Closing
from server.frontends.one_write import OneWrite

MAX_HEAD_BYTES = 64 * 2**10
"""Most bytes of request line and headers, of trailers, or of chunk extensions. What arrives in the
same read as the last of them is not counted, so the true bound is that of one read higher."""

HEAD_TIMEOUT = 20.0
"""Seconds in which a new connection, or a request begun on an old one, must have sent its head."""


class _QueuedFlow(FlowControl):
    """Reads nothing more while requests are waiting for the one that is being answered."""

    def __init__(self, transport: asyncio.Transport, waiting: Sized) -> None:
        super().__init__(transport)
        self._waiting = waiting

    def resume_reading(self) -> None:
        """Go on reading unless there is enough to do; a request in front of another is complete."""
        if not self._waiting:
            super().resume_reading()


class BoundedProtocol(HttpToolsProtocol):
    """One connection; what it refuses, it refuses in the one shape of all errors."""

    closing = Closing()
    """When a connection ends; of all connections of one server."""

    _ends_at = float("inf")
    _leaving = False
    _progress = False
    _barren_bytes = 0
    _head_begun = False
    _head_timer: asyncio.TimerHandle | None = None
    _served: RequestResponseCycle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start the clock of the first head."""
        super().connection_made(transport)
        self.flow = _QueuedFlow(transport, self.pipeline)
        self.transport = cast(asyncio.Transport, OneWrite(transport, self.loop.call_soon))
        self._ends_at = self.closing.ends_at(self.loop.time())
        self._arm()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the clock, and let the request being answered know that its client is gone."""
        self._disarm()
        # uvicorn tells the latest request only, which may be waiting for this one.
        if self._served is not None and not self._served.response_complete:
            self._served.disconnected = True
            self._served.message_event.set()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse, and refuse a client that sends much which comes to nothing."""
        self._progress = False
        super().data_received(data)
        if self._progress:
            self._barren_bytes = 0
        else:
            self._barren_bytes += len(data)
        if self.transport.is_closing():
            return
        if self._barren_bytes > MAX_HEAD_BYTES:
            text = f"the request's headers are too large; expected at most {MAX_HEAD_BYTES} bytes"
            self._refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, text)
        elif self._head_begun and self._head_timer is None:
            self._arm()

    def shutdown(self) -> None:
        """The server stops: answer what is under way, and what comes within a moment, then close.

        A client that asks again and again so learns in an answer that it was the last; to close
        under its hands would make it lose a request.
        """
        self._leaving = True
        if self._answering() or not self.closing.linger:
            super().shutdown()
        else:
            self.loop.call_later(self.closing.linger, self._leave)

    def send_400_response(self, msg: str) -> None:
        """Refuse what cannot be parsed; uvicorn would answer in plain text."""
        self._refuse(HTTPStatus.BAD_REQUEST, "the request is not valid HTTP/1.1")

    # ---- called by the parser ------------------------------------------------------------------

    def on_message_begin(self) -> None:
        """The first byte of a head."""
        self._head_begun = True
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """The head is there."""
        self._progress, self._head_begun = True, False
        self._disarm()
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Some of the body is there."""
        self._progress = True
        cycle = self.cycle
        if cycle.body:
            if type(cast(object, cycle.body)) is bytes:
                cycle.body = bytearray(cycle.body)
            super().on_body(body)
        else:
            # `receive` hands bytes on as they are, where it copies what uvicorn gathers.
            cycle.body = cast(bytearray, body)
            super().on_body(b"")

    def on_message_complete(self) -> None:
        """All of the request is there."""
        self._progress = True
        super().on_message_complete()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        self._served = cycle
        if self._leaving or self.loop.time() >= self._ends_at:
            # What was read behind it is answered first: a client may not send it twice.
            cycle.keep_alive &= bool(self.pipeline)
        super()._start_asgi_task(cycle, app)

    # ---- refusing ------------------------------------------------------------------------------

    def _arm(self) -> None:
        self._head_timer = self.loop.call_later(HEAD_TIMEOUT, self._expire)

    def _disarm(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _expire(self) -> None:
        self._head_timer = None
        if self._answering():
            # The rest of the next head may well wait until the client has this answer.
            self._arm()
        elif not self.transport.is_closing():
            text = f"no complete request headers came within {HEAD_TIMEOUT:g} s"
            self._refuse(HTTPStatus.REQUEST_TIMEOUT, text)

    def _leave(self) -> None:
        if not self._answering() and not self._head_begun:
            self.transport.close()

    def _answering(self) -> bool:
        return self._served is not None and not self._served.response_complete

    def _refuse(self, status: HTTPStatus, text: str) -> None:
        """Answer and close; only close where another answer has begun."""
        self._disarm()
        if self._served is None or self._served.response_complete == self._served.response_started:
            body = orjson.dumps({"error": text})
            head = (
                f"HTTP/1.1 {status.value} {status.phrase}\r\ncontent-type: application/json\r\n"
                f"content-length: {len(body)}\r\nconnection: close\r\n\r\n"
            )
            self.transport.write(head.encode() + body)
        self.transport.close()
