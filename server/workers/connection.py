"""The gateway's end of the socket to one worker: requests out, exactly one ending each back in."""

from __future__ import annotations

import asyncio
import itertools
import socket
import time
from collections.abc import Callable
from typing import cast

import structlog

from runtimes.contract.codes import Code
from runtimes.contract.frames import FrameReader, frame
from runtimes.contract.messages import (
    Cancel,
    Failed,
    Infer,
    Load,
    LoadFailed,
    Message,
    ModelSpec,
    Ping,
    Pong,
    Profile,
    Profiled,
    ProtocolError,
    Ready,
    Result,
    Stop,
    Taken,
    Warming,
)
from runtimes.contract.shared import SharedMemory
from runtimes.contract.tensor import Tensor
from server.errors import RETRY_AFTER, DeadlineExceeded, Unavailable, error_for
from server.workers.one_turn import OneTurn

log = structlog.get_logger()

PADDING_ROOM = 2**20
MAX_WAIT = 365 * 86400.0  # seconds; a deadline beyond is none
DIED_LOADING = LoadFailed("the worker died while loading")
DIED_PROFILING = Profiled(
    code=Code.UNAVAILABLE, message="the model's worker died while a profile of it was taken"
)
ONE_PROFILE = Profiled(
    code=Code.OVERLOADED, message="a profile of this worker is being taken; one at a time"
)


class WorkerConnection(asyncio.BufferedProtocol):
    """Matches a worker's answers to the requests that wait for them.

    `loaded` becomes Ready or LoadFailed, with `warming` called on the way; `lost` is called once
    when the socket closes, after all that waited were told.
    """

    def __init__(
        self,
        name: str,
        max_message_bytes: int,
        warming: Callable[[], None],
        lost: Callable[[], None],
        memory: SharedMemory | None = None,
    ) -> None:
        loop = asyncio.get_running_loop()
        self.loaded: asyncio.Future[Ready | LoadFailed] = loop.create_future()
        self._name = name
        self._warming = warming
        self._lost = lost
        self._loop = loop
        self._heard_at = loop.time()
        self._busy_ns = 0
        # The bound is on tensors; behind each of them a frame has up to 15 bytes of padding.
        self._reader = FrameReader(max_message_bytes + PADDING_ROOM)
        self._memory = memory
        if memory is not None:
            self._reader.share = memory.copy
        self._ids = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[Result]] = {}
        self._transport: asyncio.Transport | None = None
        self._profiled: asyncio.Future[Profiled] | None = None
        self._turn: OneTurn | None = None
        self._gone = False

    @classmethod
    async def open(
        cls,
        sock: socket.socket,
        name: str,
        max_message_bytes: int,
        warming: Callable[[], None],
        lost: Callable[[], None],
        memory: SharedMemory | None = None,
    ) -> WorkerConnection:
        """Attach to `sock`, owned here from now on; large tensors go by `memory`."""
        loop = asyncio.get_running_loop()
        _, connection = await loop.create_unix_connection(
            lambda: cls(name, max_message_bytes, warming, lost, memory), sock=sock
        )
        return connection

    @property
    def in_flight(self) -> int:
        """Requests sent and not yet ended."""
        return len(self._waiting)

    @property
    def is_lost(self) -> bool:
        """True once the socket is closed."""
        return self._gone

    def load(self, spec: ModelSpec) -> None:
        """Ask the worker to load; `loaded` tells how it went."""
        self._send(Load(spec))

    async def infer(
        self,
        inputs: tuple[Tensor, ...],
        outputs: tuple[str, ...],
        deadline_ns: int,
        priority: int = 0,
        signature: str = "",
    ) -> Result:
        """The worker's answer; raises the ServingError it sent, or Unavailable if it died.

        DeadlineExceeded is raised when `deadline_ns` passes, even while the worker is busy.
        Cancelling the caller cancels the request in the worker.
        """
        if not deadline_ns:
            return await self._ask(inputs, outputs, 0, priority, signature)
        left_ns = deadline_ns - time.monotonic_ns()
        try:
            async with asyncio.timeout(min(left_ns / 1e9, MAX_WAIT)):
                return await self._ask(inputs, outputs, deadline_ns, priority, signature)
        except TimeoutError:
            raise DeadlineExceeded("the deadline passed before the answer was there") from None

    async def _ask(
        self,
        inputs: tuple[Tensor, ...],
        outputs: tuple[str, ...],
        deadline_ns: int,
        priority: int = 0,
        signature: str = "",
    ) -> Result:
        if self._gone:
            raise _died()
        request_id = next(self._ids)
        future: asyncio.Future[Result] = self._loop.create_future()
        self._waiting[request_id] = future
        self._send(Infer(request_id, inputs, outputs, deadline_ns, priority, signature))
        try:
            return await future
        except asyncio.CancelledError:
            # It stays among those in flight until the worker has let go of it.
            if request_id in self._waiting:
                self._send(Cancel(request_id))
            raise

    async def profile(self, asked: Profile) -> Profiled:
        """What the worker captured, or why it did not; Unavailable if it died."""
        if self._gone:
            raise _died()
        if self._profiled is not None:
            return ONE_PROFILE
        self._profiled = self._loop.create_future()
        self._send(asked)
        # Whoever gives up waiting: until the worker has answered, the next answer is that one.
        return await asyncio.shield(self._profiled)

    def ping(self) -> None:
        """Ask for a sign of life."""
        self._send(Ping())

    @property
    def silent_s(self) -> float:
        """Seconds since the worker was last heard of."""
        return self._loop.time() - self._heard_at

    @property
    def busy_s(self) -> float:
        """Seconds the worker's present batch had been running when it last told."""
        return self._busy_ns / 1e9

    def stop(self) -> None:
        """Ask the worker to finish its queue and exit."""
        self._send(Stop())

    def close(self) -> None:
        """Close the socket, which ends the worker."""
        if self._transport is not None and self._turn is not None:
            self._turn.flush()
            self._transport.close()

    def _send(self, message: Message) -> None:
        if self._turn is None or self._gone:
            return
        if self._memory is None or not isinstance(message, Infer):
            self._turn.send(frame(message))
            return
        self._turn.send(frame(message, self._memory.place))
        self._memory.hold(message.id)

    # ---- called by the event loop --------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport to write to."""
        # Not an isinstance: uvloop's transports are no subclasses.
        self._transport = cast(asyncio.Transport, transport)
        self._turn = OneTurn(self._transport, self._loop.call_soon)

    def get_buffer(self, sizehint: int) -> memoryview:
        """Where received bytes go; large bodies land in place."""
        return self._reader.buffer()

    def buffer_updated(self, nbytes: int) -> None:
        """Hand out what the new bytes complete; a worker that breaks the protocol is cut off."""
        self._heard_at = self._loop.time()
        try:
            for message in self._reader.received(nbytes):
                self._receive(message)
        except ProtocolError as error:
            log.error("worker broke the protocol", worker=self._name, error=str(error))
            self.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """Give every waiting request its ending, then tell the owner."""
        self._gone = True
        if self._memory is not None:
            self._memory.close()
        if not self.loaded.done():
            self.loaded.set_result(DIED_LOADING)
        waiting, self._waiting = self._waiting, {}
        for future in waiting.values():
            if not future.done():
                future.set_exception(_died())
        if self._profiled is not None and not self._profiled.done():
            self._profiled.set_result(DIED_PROFILING)
        self._lost()

    def _receive(self, message: Message) -> None:
        match message:
            case Result(id=request_id):
                self._let_go(message)
                future = self._waiting.pop(request_id, None)
                if future is not None and not future.done():
                    future.set_result(message)
            case Failed(id=request_id, code=code, message=text):
                if self._memory is not None:
                    self._memory.release(request_id)
                future = self._waiting.pop(request_id, None)
                if future is not None and not future.done():
                    future.set_exception(error_for(code, text))
            case Profiled():
                if self._profiled is None:
                    raise ProtocolError("unexpected Profiled")
                if not self._profiled.done():
                    self._profiled.set_result(message)
                self._profiled = None
            case Pong(busy_ns=busy_ns):
                self._busy_ns = busy_ns
            case Warming() if not self.loaded.done():
                self._warming()
            case Ready() | LoadFailed() if not self.loaded.done():
                self.loaded.set_result(message)
            case _:
                raise ProtocolError(f"unexpected {type(message).__name__}")

    def _let_go(self, result: Result) -> None:
        """Free what the request had in shared memory, and let the worker do so with its answer."""
        if self._memory is None:
            return
        self._memory.release(result.id)
        # Copies are bytes; what came in the frame is seen through a view.
        if any(type(tensor.data) is bytes for tensor in result.outputs):
            self._send(Taken(result.id))


def _died() -> Unavailable:
    return Unavailable(
        "the model's worker died while computing; send the request again", retry_after=RETRY_AFTER
    )
