"""The processes of a running server, told apart as an operator would: by what they run."""

from __future__ import annotations

from pathlib import Path

import psutil

from tests.harness.server_process import ServerProcess


def frontends(server: ServerProcess) -> list[psutil.Process]:
    """Frontends in processes of their own; none where the one is in the gateway."""
    return _children(server, "server.frontend_process", "envoy")


def door_of(frontend: psutil.Process) -> Path:
    """The gateway's socket, by which a frontend in a process of its own has come."""
    variable: str | None = frontend.environ().get("UNDERWAY_DOOR")
    return Path(variable or frontend.cmdline()[-1])


def zygotes(server: ServerProcess) -> list[psutil.Process]:
    """One per runtime in use."""
    return _children(server, "runtimes/__main__.py")


def workers(server: ServerProcess, model: str = "") -> list[psutil.Process]:
    """Worker processes, of one model or all; they carry its name."""
    found = [worker for zygote in zygotes(server) for worker in zygote.children()]
    return [worker for worker in found if _name(worker).startswith(model)]


def _name(process: psutil.Process) -> str:
    """ "" where it has ended meanwhile."""
    try:
        return process.name()
    except psutil.NoSuchProcess:
        return ""


def _children(server: ServerProcess, *programs: str) -> list[psutil.Process]:
    children = psutil.Process(server.process.pid).children()
    return [one for one in children if any(word.endswith(programs) for word in one.cmdline()[:4])]
