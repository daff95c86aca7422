"""A zygote: imports one framework once, then forks workers that share its memory.

It stays single-threaded and never touches a device or runs an op, because a fork carries over
only the calling thread. When the gateway goes, so does the zygote; its workers notice by
themselves.
"""

from __future__ import annotations

import contextlib
import gc
import os
import re
import selectors
import signal
import socket
import sys
import traceback
from pathlib import Path

from runtimes.contract.messages import ProtocolError
from runtimes.contract.spawn import (
    MAX_PACKET,
    Exited,
    Fork,
    Forked,
    ForkFailed,
    Imported,
    ImportFailed,
    Packet,
    decode_packet,
    encode_packet,
)
from runtimes.registry import create_runtime
from runtimes.runtime import Runtime
from runtimes.worker import run

_PATH = re.compile(r"(?:/[\w.+@~-]+){2,}")
WORKER_OOM_SCORE = 500  # the kernel should end a worker before the gateway


def serve(control: socket.socket, runtime_name: str) -> int:
    """Fork on demand until the gateway closes `control`; returns the exit code."""
    # Ctrl-C, and a service manager's signal to the whole group, are the gateway's to handle; end of
    # file ends this process and its workers.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        runtime = create_runtime(runtime_name)
        runtime.preload()
    except Exception as error:
        traceback.print_exc()
        # The index shows it to clients: where things lie is none of their business.
        text = _PATH.sub("…", f"{type(error).__name__}: {error}")
        _tell(control, ImportFailed(text[:1000]))
        return 1
    _tell(control, Imported())
    # A collection in a worker would look through all of the framework's objects, for tens of
    # milliseconds, and have each page of them copied.
    gc.collect()
    gc.freeze()
    wakeup = _wake_on_child_exit()
    with selectors.DefaultSelector() as selector:
        selector.register(control, selectors.EVENT_READ)
        selector.register(wakeup, selectors.EVENT_READ)
        while True:
            for key, _ in selector.select():
                if key.fileobj is wakeup:
                    with contextlib.suppress(BlockingIOError):
                        wakeup.recv(4096)
                elif not _answer(control, runtime):
                    return 0
            _reap(control)


def _answer(control: socket.socket, runtime: Runtime) -> bool:
    """Handle one packet; False at end of file."""
    data, descriptors, _, _ = socket.recv_fds(control, MAX_PACKET, 2)
    if not data:
        return False
    packet = decode_packet(data)
    if not isinstance(packet, Fork) or len(descriptors) != 2:
        raise ProtocolError("expected a fork with two file descriptors")
    worker_fd, log_fd = descriptors
    try:
        pid = os.fork()
    except OSError as error:
        _tell(control, ForkFailed(packet.name, error.strerror or "fork failed"))
    else:
        if pid == 0:
            control.close()
            _become_worker(packet.name, runtime, worker_fd, log_fd)
        _tell(control, Forked(packet.name, pid))
    os.close(worker_fd)
    os.close(log_fd)
    return True


def _become_worker(name: str, runtime: Runtime, worker_fd: int, log_fd: int) -> None:
    """What the forked child does; never returns to the zygote's loop."""
    code = 1
    try:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        os.dup2(log_fd, 1)
        os.dup2(log_fd, 2)
        os.close(log_fd)
        _introduce(name)
        with socket.socket(fileno=worker_fd) as sock:
            run(sock, runtime)
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        # No interpreter shutdown: the zygote's atexit handlers and threads are not ours to run.
        os._exit(code)


def _introduce(name: str) -> None:
    """Name the process for `ps` and `top`, and offer it first when memory runs out."""
    with contextlib.suppress(OSError):
        Path("/proc/self/comm").write_text(name[:15])
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text(str(WORKER_OOM_SCORE))


def _wake_on_child_exit() -> socket.socket:
    reader, writer = socket.socketpair()
    reader.setblocking(False)
    writer.setblocking(False)
    signal.set_wakeup_fd(writer.detach(), warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    return reader


def _reap(control: socket.socket) -> None:
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            return
        _tell(control, Exited(pid, os.waitstatus_to_exitcode(status)))


def _tell(control: socket.socket, packet: Packet) -> None:
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        control.send(encode_packet(packet))
