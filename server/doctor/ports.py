"""Whether the server could listen where it is told to."""

from __future__ import annotations

import errno
import socket

from server.doctor.finding import Finding, Grade
from server.hosting.ports import reserve

AREA = "ports"


def check_port(setting: str, host: str, port: int) -> Finding:
    """Listen there for a moment; `setting` is the flag without its dashes, such as `http-port`."""
    try:
        reserve(host, port).close()
    except OSError as error:
        return judge_port(setting, host, port, error)
    return judge_port(setting, host, port, None)


def judge_port(setting: str, host: str, port: int, error: OSError | None) -> Finding:
    """What it means that binding raised `error`, or nothing."""
    details = {"host": host, "port": port}
    if error is None:
        text = f"{host}:{port} is free" if port else "any free port will be taken"
        return Finding(AREA, setting, Grade.OK, text, details=details)
    text = f"{host}:{port} cannot be had: {error.strerror}"
    return Finding(AREA, setting, Grade.PROBLEM, text, _advice(setting, error), details)


def _advice(setting: str, error: OSError) -> str:
    if isinstance(error, socket.gaierror) or error.errno == errno.EADDRNOTAVAIL:
        return "--host must be an address of this machine; 0.0.0.0 is all of them"
    if error.errno == errno.EADDRINUSE:
        return (
            f"another program listens there, perhaps a server that still runs (`ss -ltnp` tells "
            f"which); stop it, or choose another with --{setting}"
        )
    if error.errno == errno.EACCES:
        return f"ports below 1024 are for root; choose another with --{setting}"
    return f"choose another with --{setting}"
