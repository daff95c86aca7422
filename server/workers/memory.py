"""Makes the memory that a frontend shares with a worker: nameless, and gone with its last user."""

from __future__ import annotations

import contextlib
import fcntl
import mmap
import os
import socket

import structlog

from runtimes.contract.frames import frame
from runtimes.contract.messages import Share
from runtimes.contract.shared import SharedMemory

SIZE = 64 * 2**20
"""Bytes; only what has been used once takes memory."""

_log = structlog.get_logger(__name__)


def share_memory(sock: socket.socket) -> SharedMemory | None:
    """Memory shared with the worker at `sock`, None where the system gives none.

    It must be the first that is sent there.
    """
    try:
        descriptor = os.memfd_create("underway", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    except OSError as error:
        _log.warning("large tensors go through sockets", reason=error.strerror)
        return None
    try:
        os.ftruncate(descriptor, SIZE)
        # Of one size for good: reading it can never fail on either side.
        seals = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL
        fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, seals)
        memory = mmap.mmap(descriptor, SIZE)
        socket.send_fds(sock, [b"".join(frame(Share()))], [descriptor])
    except OSError as error:
        _log.warning("large tensors go through sockets", reason=error.strerror)
        return None
    finally:
        with contextlib.suppress(OSError):
            os.close(descriptor)
    return SharedMemory(memoryview(memory), first=True)
