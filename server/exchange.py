"""One inference on its way through a frontend: when what happened to it, and how it ended."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Protocol

import structlog

from runtimes.contract.codes import Code
from runtimes.contract.messages import Timings
from server.errors import Overloaded, ServingError

STAGES = (
    "decode", "transfer_in", "queue", "assemble", "compute", "split", "transfer_out", "encode",
)  # fmt: skip
"""In the order of time. Together they are all of an answered request:

decode        read, checked, let in, until it is handed to the worker's connection
transfer_in   to the worker
queue         waiting there
assemble      joined with others into one batch
compute       in the runtime
split         each request's share of the outputs
transfer_out  back from the worker, until the frontend takes it up
encode        written in the client's form, compressed where asked
"""


Shares = tuple[int, int, int, int, int, int, int, int]

TRAVEL_NS = 50_000_000
"""A gRPC client whose deadline passes cancels the call, and counts it as late. For the server that
is a moment before the deadline, which began to run when the call had arrived.
"""


class Observer(Protocol):
    """Who is told of each exchange besides those who count: traces and the access log."""

    def began(self, exchange: Exchange, traceparent: str, tracestate: str) -> None:
        """The request is known to be for `exchange.model`; the headers are the client's."""

    def ended(self, exchange: Exchange, code: Code | None) -> None:
        """It was answered (None), or ended with `code`."""


class Trace:
    """The trace that a request belongs to. `trace_id` is for logs; `headers` are what the client
    is told, by their names; `end` is what records the request, None where it is not recorded.
    """

    __slots__ = ("end", "headers", "trace_id")

    def __init__(
        self, trace_id: str, headers: Mapping[str, str], end: Ending | None = None
    ) -> None:
        self.trace_id = trace_id
        self.headers = headers
        self.end = end


class Exchange:
    """To be entered before a request is decoded and left when its answer is encoded.

    Leaving it tells `ended`, once, how it ended: None for an answer, else the code of the error
    that left the block. `model` and `version` are what the client named, "" where it is not known.
    Times are nanoseconds on the monotonic clock. `answering` is the number of the version that
    answers, 0 until it is known. `trace_id` is that of a recorded trace, "" without one: metrics
    show it as an exemplar. `observer` is None where nobody is to be told of each request.
    """

    __slots__ = (
        "_shares", "answering", "began_ns", "bytes_in", "bytes_out", "deadline_ns", "ended",
        "ended_ns", "model", "observer", "protocol", "received_ns", "rejected", "request_id",
        "rows", "sent_ns", "timings", "trace", "trace_id", "version",
    )  # fmt: skip

    def __init__(
        self,
        protocol: str,
        ended: Ending,
        model: str = "",
        version: str = "",
        observer: Observer | None = None,
    ) -> None:
        self.protocol = protocol
        self.observer = observer
        self.ended = ended
        self.model = model
        self.version = version
        self.began_ns = time.monotonic_ns()
        self.sent_ns = self.received_ns = self.ended_ns = self.deadline_ns = 0
        self.bytes_in = self.bytes_out = 0
        self.rows = 0
        self.timings = NO_TIMINGS
        self.rejected = ""
        self.request_id = ""
        self.answering = 0
        self.trace: Trace | None = None
        self.trace_id = ""
        self._shares: Shares | None = None

    def arrived(self, size: int) -> None:
        """All `size` bytes of the request are here: only from now on it is the server's time."""
        self.bytes_in = size
        self.began_ns = time.monotonic_ns()

    def encoded(self, size: int) -> None:
        """The answer is ready to be sent, in `size` bytes."""
        self.bytes_out = size
        self.ended_ns = time.monotonic_ns()
        self._shares = None

    @property
    def total_ns(self) -> int:
        """The whole of it, once it is encoded."""
        return self.ended_ns - self.began_ns

    def stages(self) -> Shares:
        """How long each of STAGES took, for what is answered and encoded."""
        if self._shares is None:
            self._shares = self._divided()
        return self._shares

    def _divided(self) -> Shares:
        t = self.timings
        sent, received = self.sent_ns, self.received_ns
        inside = t.queue_ns + t.compute_input_ns + t.compute_infer_ns + t.compute_output_ns
        there = max(0, t.arrived_ns - sent) if t.arrived_ns else 0
        return (
            sent - self.began_ns, there, t.queue_ns, t.compute_input_ns, t.compute_infer_ns,
            t.compute_output_ns, max(0, received - sent - there - inside), self.ended_ns - received,
        )  # fmt: skip

    def __enter__(self) -> Exchange:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if error is None:
            if not self.ended_ns:
                self.encoded(0)
            self._tell(None)
            return
        self.ended_ns = time.monotonic_ns()
        if isinstance(error, Overloaded):
            self.rejected = error.reason
        if isinstance(error, ServingError) and self.trace is not None:
            error.told = self.trace.headers
        code = self._code(error)
        if code is Code.INTERNAL:
            self._name_in_logs()
        self._tell(code)

    def _tell(self, code: Code | None) -> None:
        self.ended(self, code)
        if self.observer is not None:
            self.observer.ended(self, code)

    def _name_in_logs(self) -> None:
        """Whatever is logged of this failure, by whoever catches it in this task, is to say which
        request it is about.
        """
        trace = self.trace.trace_id if self.trace is not None else ""
        names = {"model": self.model, "request_id": self.request_id, "trace_id": trace}
        known = {name: value for name, value in names.items() if value}
        structlog.contextvars.bind_contextvars(**known)

    def _code(self, error: BaseException) -> Code:
        if isinstance(error, ServingError):
            return error.code
        if isinstance(error, asyncio.CancelledError):
            late = self.deadline_ns and self.ended_ns >= self.deadline_ns - TRAVEL_NS
            return Code.DEADLINE_EXCEEDED if late else Code.CANCELLED
        return Code.INTERNAL


NO_TIMINGS = Timings()
Ending = Callable[[Exchange, Code | None], None]
"""Takes an exchange that has ended, and the code of its error, None for an answer."""
