"""The images' health check tells a server that is ready from one that is not or is not there."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

HEALTH = Path(__file__).parents[3] / "deploy/docker/health.py"


@contextmanager
def answering(status: int) -> Iterator[int]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status if self.path == "/v2/health/ready" else 404)
            self.end_headers()

        def log_message(self, *_: object) -> None: ...

    with HTTPServer(("127.0.0.1", 0), Handler) as listening:
        threading.Thread(target=listening.serve_forever, daemon=True).start()
        yield listening.server_port
        listening.shutdown()


def check(port: object) -> subprocess.CompletedProcess[str]:
    """As the Dockerfile runs it."""
    return subprocess.run(
        [sys.executable, "-I", "-S", str(HEALTH)],
        env={"UNDERWAY_METRICS_PORT": str(port)},
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("status", "code", "said"), [(200, 0, ""), (503, 1, "not ready: status 503\n")]
)
def test_it_passes_where_the_server_is_ready(status, code, said):
    with answering(status) as port:
        done = check(port)

    assert (done.returncode, done.stdout) == (code, said)


def test_it_fails_where_nobody_answers():
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        done = check(port)

    assert done.returncode == 1
    assert done.stdout.startswith(f"no answer on port {port}: ")


def test_it_fails_where_the_port_is_none():
    assert check("http").stdout.startswith("no answer on port http: ")
