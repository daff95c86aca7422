"""uvicorn's HTTP/1.1 protocol with bounds on what it leaves unbounded: a head's size and time, the
requests that are read before those in front of them are answered, and a connection's age."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence, Sized
from http import HTTPStatus
from typing import cast

import orjson
from uvicorn._types import ASGI3Application
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from runtimes.contract.tensor import Buffer
from server.frontends.closing import Closing
from server.frontends.one_write import OneWrite
from server.frontends.sliced_write import SlicedWrite
from server.frontends.whole_request import WholeCycle, WholeDoor, body_size

Cycle = RequestResponseCycle | WholeCycle

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

    door: WholeDoor | None = None
    """Takes requests past uvicorn's cycle, where there is one."""

    stopping = False
    """Of all connections of one server: it takes no more requests than it must."""

    _slices: SlicedWrite | None = None
    _ends_at = float("inf")
    _leaving = False
    _progress = False
    _barren_bytes = 0
    _head_begun = False
    _head_timer: asyncio.TimerHandle | None = None
    _served: Cycle | None = None
    _idle_from = 0.0
    _idle_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start the clock of the first head."""
        super().connection_made(transport)
        self.flow = _QueuedFlow(transport, self.pipeline)
        taking: asyncio.WriteTransport = transport
        if transport.get_extra_info("sslcontext") is not None:
            taking = self._slices = SlicedWrite(transport)
        self.transport = cast(asyncio.Transport, OneWrite(taking, self.loop.call_soon))
        self._ends_at = self.closing.ends_at(self.loop.time())
        self._arm()
        if self.stopping:
            self.shutdown()  # its handshake took until after all others were told

    def pause_writing(self) -> None:
        """The client takes nothing up."""
        if self._slices is not None:
            self._slices.pause()
        super().pause_writing()

    def resume_writing(self) -> None:
        """It does again; what waits goes first."""
        if self._slices is not None:
            self._slices.resume()
            if self._slices.is_full:
                return
        super().resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the clock, and let the request being answered know that its client is gone."""
        self._disarm()
        if self._slices is not None:
            self._slices.drop()
        if self._idle_timer is not None:
            self._idle_timer.cancel()
        # uvicorn tells the latest request only, which may be waiting for this one.
        if isinstance(self._served, WholeCycle):
            self._served.gone()
        elif self._served is not None and not self._served.response_complete:
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

    def give_up(self) -> None:
        """The server has stopped, and nobody answers any more what is still coming."""
        self.transport.close()

    def send_400_response(self, msg: str) -> None:
        """Refuse what cannot be parsed; uvicorn would answer in plain text."""
        self._refuse(HTTPStatus.BAD_REQUEST, "the request is not valid HTTP/1.1")

    # ---- called by the parser ------------------------------------------------------------------

    def on_message_begin(self) -> None:
        """The first byte of a head; the scope is made when it is known that it is needed."""
        self._head_begun = True
        self.url, self.headers, self.expect_100_continue = b"", [], False

    def on_headers_complete(self) -> None:
        """The head is there."""
        self._progress, self._head_begun = True, False
        self._disarm()
        whole = self._whole()
        if whole is not None:
            # Begun when its body is there, which the parser lets nothing else come before.
            self.cycle = cast(RequestResponseCycle, whole)
            return
        url, headers, expects = self.url, self.headers, self.expect_100_continue
        super().on_message_begin()
        self.url, self.expect_100_continue = url, expects
        self.headers += headers
        super().on_headers_complete()
        self.headers = []  # trailers come by the same way, and are no part of the head

    def on_body(self, body: bytes) -> None:
        """Some of the body is there."""
        self._progress = True
        latest = self._latest
        if isinstance(latest, WholeCycle):
            latest.add(body)
            return
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
        if not isinstance(self._latest, WholeCycle):
            super().on_message_complete()
        elif self._served is None or self._served.response_complete:
            self._start_asgi_task(self.cycle, self.app)
        else:
            self.flow.pause_reading()
            self.pipeline.appendleft((self.cycle, self.app))

    def on_response_complete(self) -> None:
        """Go on with the next request, or begin to count how long there is none.

        As uvicorn's, which makes a timer for each answer where here one goes on.
        """
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        if self.pipeline:
            cycle, app = self.pipeline.pop()
            self._start_asgi_task(cycle, app)
            # Only now: nothing is read while requests wait, but a client that leaves is to be seen.
            self.flow.resume_reading()
            return
        self.flow.resume_reading()
        self._idle_from = self.loop.time()
        if self._idle_timer is None:
            self._idle_timer = self.loop.call_later(self.timeout_keep_alive, self._idle)

    # ---- called by a WholeCycle ----------------------------------------------------------------

    @property
    def is_full(self) -> bool:
        """True while what is written waits to be taken up."""
        return self.flow.write_paused

    async def writable(self) -> None:
        """Return once it is."""
        await self.flow.drain()

    def write_whole(self, buffers: Sequence[Buffer]) -> None:
        """Write an answer after all that was written before it."""
        cast(OneWrite, self.transport).write_whole(buffers)

    def end(self, *, keep: bool) -> None:
        """The answer is written."""
        if not keep:
            self.transport.close()
        self.on_response_complete()

    def forget(self, cycle: WholeCycle) -> None:
        """Its task is ending; each would hold the other."""
        if cycle.task is not None:
            self.tasks.discard(cycle.task)
            cycle.task = None

    def _whole(self) -> WholeCycle | None:
        """The request whose head is there, if it may go past uvicorn's cycle."""
        parser = self.parser
        if self.door is None or parser.get_method() != b"POST" or parser.should_upgrade():
            return None
        answering = self.door.whole(self.url)
        if answering is None or parser.get_http_version() != "1.1":
            return None
        if not self.door.admits(self.headers):
            return None
        # Of a header given twice the first counts, as with the framework.
        headers = dict(reversed(self.headers))
        if body_size(headers) is None:
            return None
        fields, keep = self.server_state.default_headers, parser.should_keep_alive()
        return WholeCycle(self.url, answering, headers, self, fields, keep_alive=keep)

    @property
    def _latest(self) -> Cycle | None:
        """The request that was begun last."""
        return self.cycle

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        self._served = begun = cast(Cycle, cycle)
        if self._leaving or self.loop.time() >= self._ends_at:
            # What was read behind it is answered first: a client may not send it twice.
            cycle.keep_alive &= bool(self.pipeline)
        if isinstance(begun, WholeCycle):
            begun.task = self.loop.create_task(begun.run())
            self.tasks.add(begun.task)
        else:
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

    def _idle(self) -> None:
        self._idle_timer = None
        if self._head_begun or self._answering():
            return  # counting begins again with the next answer
        left = self._idle_from + self.timeout_keep_alive - self.loop.time()
        if left > 0:
            self._idle_timer = self.loop.call_later(left, self._idle)
        elif not self.transport.is_closing():
            self.transport.close()

    def _answering(self) -> bool:
        # The latest request is the last to be answered; the body of one may still be coming.
        return self.cycle is not None and not self.cycle.response_complete

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
