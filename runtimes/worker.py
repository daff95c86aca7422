"""One worker: a process that loads one version of one model and answers its requests.

Two threads: one reads messages into the queue, the main one computes and writes. End of file on
the socket means that the gateway is gone, and ends the process whatever it is doing.
"""

from __future__ import annotations

import contextlib
import os
import socket
import threading
import time
import traceback
from collections.abc import Iterator

from runtimes.batching.decide import Limits, expired
from runtimes.batching.queue import BatchQueue
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
    ProtocolError,
    Ready,
    Stop,
)
from runtimes.contract.tensor import Buffer
from runtimes.execute import bounded, execute
from runtimes.runtime import LoadedModel, LoadError, Runtime
from runtimes.warmup import warm_up

NS_PER_US = 1000
MAX_BUFFERS = 512  # below the kernel's limit on buffers in one sendmsg
LOST_GATEWAY = 3  # exit code


def run(sock: socket.socket, runtime: Runtime) -> None:
    """Serve one model over `sock` until told to stop."""
    messages = _receive(sock)
    first = next(messages, None)
    if first is None:
        return  # the gateway went before it said what to load
    if not isinstance(first, Load):
        raise ProtocolError(f"expected load first, got {type(first).__name__}")
    model = _load(sock, runtime, first.spec)
    if model is None:
        return
    queue = BatchQueue(_limits(model, first.spec), batched=model.max_batch_size > 0)
    reader = threading.Thread(target=_read, args=(messages, queue), daemon=True, name="reader")
    reader.start()
    _compute(sock, model, queue, first.spec.max_answer_bytes)


def _load(sock: socket.socket, runtime: Runtime, spec: ModelSpec) -> LoadedModel | None:
    started = time.monotonic_ns()
    try:
        model = runtime.load(spec)
        loaded = time.monotonic_ns()
        warm_up(model, spec, runtime.warmup_passes)
    except LoadError as error:
        _send(sock, LoadFailed(str(error)))
        return None
    except Exception as error:
        traceback.print_exc()
        _send(sock, LoadFailed(f"{spec.runtime} could not load it: {type(error).__name__}"))
        return None
    ready = Ready(
        signature=model.signature,
        max_batch_size=model.max_batch_size,
        device=model.device,
        load_ns=loaded - started,
        warmup_ns=time.monotonic_ns() - loaded,
        facts=model.facts,
    )
    _send(sock, ready)
    return model


def _limits(model: LoadedModel, spec: ModelSpec) -> Limits:
    """Requests are joined only where the settings ask for it."""
    if spec.batching is None:
        return Limits()
    return Limits(model.max_batch_size, spec.batching.max_queue_delay_us * NS_PER_US)


def _compute(
    sock: socket.socket, model: LoadedModel, queue: BatchQueue, max_answer_bytes: int
) -> None:
    while (batch := queue.take()) is not None:
        now = time.monotonic_ns()
        alive = []
        for entry in batch:
            request = entry.request
            if queue.is_cancelled(request.id):
                _send(sock, Failed(request.id, Code.CANCELLED, "cancelled by the client"))
            elif expired(request, now):
                text = "the deadline passed while the request waited in the queue"
                _send(sock, Failed(request.id, Code.DEADLINE_EXCEEDED, text))
            else:
                alive.append(entry)
        if alive:
            for ending in execute(model, alive, now):
                _send(sock, bounded(ending, max_answer_bytes))


def _read(messages: Iterator[Message], queue: BatchQueue) -> None:
    """The reader thread: requests into the queue until Stop; end of file ends the process."""
    try:
        for message in messages:
            match message:
                case Infer():
                    queue.put(message)
                case Cancel(id=request_id):
                    queue.cancel(request_id)
                case Stop():
                    queue.close()
                case _:
                    raise ProtocolError(f"unexpected {type(message).__name__}")
    except Exception:
        traceback.print_exc()
    # The main thread may be inside a long computation that nobody waits for any more.
    os._exit(LOST_GATEWAY)


def _receive(sock: socket.socket) -> Iterator[Message]:
    reader = FrameReader()
    while count := sock.recv_into(reader.buffer()):
        yield from reader.received(count)


def _send(sock: socket.socket, message: Message) -> None:
    buffers = frame(message)
    # A gateway that is gone is noticed by the reader; there is nobody to tell.
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        for start in range(0, len(buffers), MAX_BUFFERS):
            _send_all(sock, buffers[start : start + MAX_BUFFERS])


def _send_all(sock: socket.socket, buffers: list[Buffer]) -> None:
    views = [memoryview(buffer) for buffer in buffers]
    while views:
        sent = sock.sendmsg(views)
        while views and sent >= len(views[0]):
            sent -= len(views[0])
            views.pop(0)
        if sent:
            views[0] = views[0][sent:]
