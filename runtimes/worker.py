"""One worker: a process that loads one version of one model and answers its requests.

A thread per socket reads messages into the queue; the main one computes and answers, with a helper
beside it (`pipeline.py`). End of file on the gateway's socket means that the gateway is gone, and
ends the process whatever it is doing.
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
from collections.abc import Iterator, Mapping

from runtimes.aliases import as_artifact_names
from runtimes.batching.queue import BatchQueue
from runtimes.clients import Client, Outbox
from runtimes.contract.frames import FrameReader
from runtimes.contract.messages import (
    Cancel,
    Connect,
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
    Stop,
    Warming,
)
from runtimes.functions import Function, by_request, functions
from runtimes.golden import check_golden
from runtimes.pipeline import Busy, Pipeline
from runtimes.priority import lowered_priority, step_back
from runtimes.profiling import Profiling
from runtimes.runtime import LoadError, ManySignatures, ProfiledModel, Runtime
from runtimes.warmup_all import warm_up_all

MAX_SOCKETS = 16  # in one read
LOST_GATEWAY = 3  # exit code

Loaded = tuple[ProfiledModel, Mapping[str, Function], Ready]


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
    model, asked, ready = found
    gc.freeze()  # what the model is made of never becomes garbage
    outbox.send(ready)
    queue = BatchQueue(
        asked[""].limits,
        others={name: one.limits for name, one in asked.items()},
        max_rows=first.spec.max_queue_rows,
        max_bytes=first.spec.max_queue_bytes,
    )
    busy, control = Busy(), Client(sock, outbox, queue)
    profiling = Profiling(model, outbox.send, queue.nudge)
    pipeline = Pipeline(asked, queue, busy, first.spec.max_answer_bytes, profiling)
    reader = threading.Thread(
        target=_read, args=(messages, sockets, control, busy, queue, profiling), daemon=True,
        name="reader",
    )  # fmt: skip
    reader.start()
    pipeline.run()
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
    model = runtime.load(as_artifact_names(spec))
    found = functions(model, spec)
    loaded = time.monotonic_ns()
    outbox.send(Warming())
    recorded = model.recorded() if isinstance(model, ManySignatures) else ()
    warm = warm_up_all(found, spec, runtime.warmup_passes, recorded)
    facts = {**model.facts, "warm-up": warm}
    if passed := check_golden({name: one.filled for name, one in by_request(found).items()}, spec):
        facts["golden checks passed"] = str(passed)
    return (
        model,
        by_request(found),
        Ready(
            signatures=tuple(one.described() for one in found),
            device=model.device,
            load_ns=loaded - started,
            warmup_ns=time.monotonic_ns() - loaded,
            facts=facts,
        ),
    )


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
