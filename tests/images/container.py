"""A container of the image's server, locked up as tightly as it is meant to run."""

from __future__ import annotations

import contextlib
import json
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tests.images.engine import IMAGE, engine, free_ports, wait_until_ready

MEMORY = 2 * 2**30
PIDS = 512
LOCKED = (
    "--network=host", "--read-only", "--tmpfs=/tmp", f"--memory={MEMORY}",
    f"--pids-limit={PIDS}", "--cap-drop=ALL", "--security-opt=no-new-privileges",
    "--ulimit=nofile=10000:10000", "--ulimit=nproc=4096:4096",
    *(f"--volume=/dev/null:/usr/bin/{shell}:ro" for shell in ("dash", "bash")),
)  # fmt: skip
"""Options of the engine's `run`; the shells are taken away to see that nothing wants them."""


@dataclass(frozen=True, slots=True)
class Container:
    """One that runs, and the ports of its server on this machine."""

    name: str
    http: int
    grpc: int
    metrics: int

    def python(self, code: str) -> str:
        """What that code prints in the container, run without a shell."""
        return engine("exec", self.name, "/opt/underway/gateway/bin/python", "-I", "-c", code)

    def inspect(self) -> dict[str, Any]:
        return json.loads(engine("container", "inspect", self.name))[0]


@contextlib.contextmanager
def started(*options: str, command: tuple[str, ...] = ()) -> Iterator[Container]:
    """The image, locked up, with more options of the engine; with its models loaded."""
    http, grpc_port, metrics = free_ports()
    running = Container(f"underway-test-{uuid.uuid4().hex[:8]}", http, grpc_port, metrics)
    engine(
        "run", "--detach", "--name", running.name, *LOCKED, "--env=UNDERWAY_HOST=127.0.0.1",
        f"--env=UNDERWAY_HTTP_PORT={http}", f"--env=UNDERWAY_GRPC_PORT={grpc_port}",
        f"--env=UNDERWAY_METRICS_PORT={metrics}", *options, IMAGE, *command,
    )  # fmt: skip
    try:
        wait_until_ready(running.name)
        yield running
    finally:
        engine("rm", "--force", running.name)
