"""One inference on its way through a frontend: when what happened to it, and how it ended."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from types import TracebackType

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


TRAVEL_NS = 50_000_000
"""A gRPC client whose deadline passes cancels the call, and counts it as late. For the server that
is a moment before the deadline, which began to run when the call had arrived.
"""


class Exchange:
    """To be entered before a request is decoded and left when its answer is encoded.

    Leaving it tells `ended`, once, how it ended: None for an answer, else the code of the error
    that left the block. `model` and `version` are what the client named, "" where it is not known.
    Times are nanoseconds on the monotonic clock. `trace_id` is that of the request's trace, ""
    without one: metrics show it as an exemplar.
    """

    __slots__ = (
        "began_ns", "bytes_in", "bytes_out", "deadline_ns", "ended", "ended_ns", "model",
        "protocol", "received_ns", "rejected", "rows", "sent_ns", "timings", "trace_id", "version",
    )  # fmt: skip

    def __init__(
        self,
        protocol: str,
        ended: Callable[[Exchange, Code | None], None],
        model: str = "",
        version: str = "",
    ) -> None:
        self.protocol = protocol
        self.ended = ended
        self.model = model
        self.version = version
        self.began_ns = time.monotonic_ns()
        self.sent_ns = self.received_ns = self.ended_ns = self.deadline_ns = 0
        self.bytes_in = self.bytes_out = 0
        self.rows = 0
        self.timings = NO_TIMINGS
        self.rejected = ""
        self.trace_id = ""

    def arrived(self, size: int) -> None:
        """All `size` bytes of the request are here: only from now on it is the server's time."""
        self.bytes_in = size
        self.began_ns = time.monotonic_ns()

    def encoded(self, size: int) -> None:
        """The answer is ready to be sent, in `size` bytes."""
        self.bytes_out = size
        self.ended_ns = time.monotonic_ns()

    @property
    def total_ns(self) -> int:
        """The whole of it, once it is encoded."""
        return self.ended_ns - self.began_ns

    def stages(self) -> tuple[int, int, int, int, int, int, int, int]:
        """How long each of STAGES took, for what is answered and encoded."""
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
            self.ended(self, None)
            return
        self.ended_ns = time.monotonic_ns()
        if isinstance(error, Overloaded):
            self.rejected = error.reason
        self.ended(self, self._code(error))

    def _code(self, error: BaseException) -> Code:
        if isinstance(error, ServingError):
            return error.code
        if isinstance(error, asyncio.CancelledError):
            late = self.deadline_ns and self.ended_ns >= self.deadline_ns - TRAVEL_NS
            return Code.DEADLINE_EXCEEDED if late else Code.CANCELLED
        return Code.INTERNAL


NO_TIMINGS = Timings()
