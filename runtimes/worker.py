"""One worker: a process that loads one version of one model and answers its requests.

Two threads: one reads messages into the queue, the main one computes and writes. End of file on
the socket means that the gateway is gone, and ends the process whatever it is doing.
"""

from __future__ import annotations

import array
import gc
import os
import select
import socket
import threading
import time
import traceback
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import cast

from runtimes.batch_size import fitting
from runtimes.batching.decide import Limits, Waiting, expired
from runtimes.batching.filled import Filled
from runtimes.batching.padding import stretch
from runtimes.batching.queue import BatchQueue
from runtimes.clients import Client, Outbox
from runtimes.contract.codes import Code
from runtimes.contract.frames import FrameReader
from runtimes.contract.messages import (
    Cancel,
    Connect,
    Failed,
    Infer,
    Load,
    LoadFailed,
    Message,
    ModelSpec,
    Ping,
    Pong,
    Profile,
    ProtocolError,
    Ready,
    Result,
    Stop,
    Warming,
)
from runtimes.execute import bounded, execute
from runtimes.golden import check_golden
from runtimes.priority import lowered_priority, step_back
from runtimes.profiling import Profiling
from runtimes.runtime import LoadedModel, LoadError, ProfiledModel, Runtime
from runtimes.warmup import warm_up

NS_PER_US = 1000
MAX_SOCKETS = 16  # in one read
LOST_GATEWAY = 3  # exit code
EXPIRED = "the deadline passed while the request waited in the queue"

Loaded = tuple[ProfiledModel, Limits, Ready]


def run(sock: socket.socket, runtime: Runtime) -> None:
    """Serve one model over `sock` until told to stop."""
    sockets: deque[socket.socket] = deque()
    messages = _receive(sock, sockets)
    # What serves meanwhile shall not feel it.
    with lowered_priority():
        first = next(messages, None)
        if first is None:
            return  # the gateway went before it said what to load
        if not isinstance(first, Load):
            raise ProtocolError(f"expected load first, got {type(first).__name__}")
        outbox = Outbox(sock)
        loaded = threading.Event()
        threading.Thread(
            target=_end_with_gateway, args=(sock, loaded), daemon=True, name="watch"
        ).start()
        found = _load(outbox, runtime, first.spec)
        loaded.set()
    if found is None:
        return
    model, limits, ready = found
    gc.freeze()  # what the model is made of never becomes garbage
    outbox.send(ready)
    queue = BatchQueue(
        limits,
        batched=model.max_batch_size > 0,
        max_rows=first.spec.max_queue_rows,
        max_bytes=first.spec.max_queue_bytes,
    )
    busy, control = Busy(), Client(sock, outbox, queue)
    profiling = Profiling(model, outbox.send, queue.nudge)
    reader = threading.Thread(
        target=_read, args=(messages, sockets, control, busy, queue, profiling), daemon=True,
        name="reader",
    )  # fmt: skip
    reader.start()
    _compute(busy, profiling, queue, limits, first.spec.max_answer_bytes)
    step_back()  # giving back a large model's memory takes its time, too


def _end_with_gateway(sock: socket.socket, loaded: threading.Event) -> None:
    """Until the reader takes over: a load that nobody waits for any more ends, even a hung one."""
    poll = select.poll()
    poll.register(sock, select.POLLRDHUP)
    while not loaded.is_set():
        if poll.poll(500) and not loaded.is_set():
            os._exit(LOST_GATEWAY)


def _load(outbox: Outbox, runtime: Runtime, spec: ModelSpec) -> Loaded | None:
    try:
        return _loaded(outbox, runtime, spec)
    except LoadError as error:
        outbox.send(LoadFailed(str(error)))
        return None
    except Exception as error:
        traceback.print_exc()
        outbox.send(LoadFailed(f"{spec.runtime} could not load it: {type(error).__name__}"))
        return None


def _loaded(outbox: Outbox, runtime: Runtime, spec: ModelSpec) -> Loaded:
    started = time.monotonic_ns()
    model = runtime.load(spec)
    spec = replace(spec, batching=fitting(spec.batching, model.max_batch_size, model.signature))
    limits = _limits(model, spec)
    loaded = time.monotonic_ns()
    outbox.send(Warming())
    served = Filled(model, limits)
    warm = warm_up(served, spec, runtime.warmup_passes, limits.stretch)
    facts = {**model.facts, "warm-up": warm}
    if passed := check_golden(served, spec):
        facts["golden checks passed"] = str(passed)
    return (
        model,
        limits,
        Ready(
            signature=served.signature,
            max_batch_size=model.max_batch_size,
            device=model.device,
            load_ns=loaded - started,
            warmup_ns=time.monotonic_ns() - loaded,
            facts=facts,
        ),
    )


def _limits(model: LoadedModel, spec: ModelSpec) -> Limits:
    """Requests are joined only where the settings ask for it. Raises LoadError."""
    if spec.batching is None:
        return Limits()
    try:
        padding = stretch(spec.batching.pad, model.signature)
    except ValueError as error:
        raise LoadError(str(error)) from None
    return Limits(
        model.max_batch_size,
        spec.batching.max_queue_delay_us * NS_PER_US,
        spec.batching.allowed_sizes,
        padding,
    )


def _compute(
    busy: Busy, profiling: Profiling, queue: BatchQueue, limits: Limits, most: int
) -> None:
    """Answer what is in the queue until it is closed; answers have at most `most` bytes."""
    while (batch := queue.take()) is not None:
        if profiling.under_way:
            profiling.before()
        if not batch:
            continue
        now = time.monotonic_ns()
        busy.since_ns = now
        endings: dict[Client, list[Message]] = {}
        try:
            for entry, ending in _endings(profiling.model, batch, limits, now):
                client = cast(Client, entry.client)
                endings.setdefault(client, []).append(bounded(ending, most))
        finally:
            for client, messages in endings.items():
                client.outbox.send(*messages)
        busy.since_ns = 0
        if profiling.under_way:
            profiling.after()


def _endings(
    model: LoadedModel, batch: Sequence[Waiting], limits: Limits, now: int
) -> Iterator[tuple[Waiting, Result | Failed]]:
    """Each request of the batch with its ending."""
    alive = [entry for entry in batch if not expired(entry.request, now)]
    if len(alive) < len(batch):
        for entry in batch:
            if expired(entry.request, now):
                yield entry, Failed(entry.request.id, Code.DEADLINE_EXCEEDED, EXPIRED)
    if alive:
        # In this order: what execute() raises after its last ending must be raised here, too.
        for ending, entry in zip(execute(model, alive, now, limits), alive, strict=False):
            yield entry, ending


class Busy:
    """Since when the present batch has been running, for whoever asks from another thread."""

    def __init__(self) -> None:
        self.since_ns = 0

    @property
    def ns(self) -> int:
        """How long the present batch has been running."""
        since = self.since_ns
        return time.monotonic_ns() - since if since else 0


def _read(
    messages: Iterator[Message], sockets: deque[socket.socket], control: Client, busy: Busy,
    queue: BatchQueue, profiling: Profiling,
) -> None:  # fmt: skip
    """The reader thread: what the gateway says until Stop; end of file ends the process."""
    try:
        for message in messages:
            match message:
                case Infer() | Cancel():
                    control.received(message)
                case Connect():
                    Client.serve(sockets.popleft(), queue)
                case Ping():
                    control.outbox.send(Pong(busy.ns))
                case Profile():
                    profiling.ask(message)
                case Stop():
                    queue.close()
                case _:
                    raise ProtocolError(f"unexpected {type(message).__name__}")
    except Exception:
        traceback.print_exc()
    # The main thread may be inside a long computation that nobody waits for any more.
    os._exit(LOST_GATEWAY)


def _receive(sock: socket.socket, sockets: deque[socket.socket]) -> Iterator[Message]:
    """Messages as they come; a socket that came with one is in `sockets` before it."""
    reader = FrameReader()
    space = socket.CMSG_SPACE(MAX_SOCKETS * array.array("i").itemsize)
    while True:
        count, ancillary, _, _ = sock.recvmsg_into(
            [reader.buffer()], space, socket.MSG_CMSG_CLOEXEC
        )
        if not count:
            return
        for level, kind, content in ancillary:
            if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
                received = array.array("i")
                received.frombytes(content)
                sockets.extend(socket.socket(fileno=fd) for fd in received)
        yield from reader.received(count)
