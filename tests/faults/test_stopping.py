"""A server that is told to stop: what it answers until it has, and what a second signal does."""

from __future__ import annotations

import signal

import grpc
import httpx
import pytest

from tests.harness.echo_repository import add_echo
from tests.harness.operator import FAST, Operator, in_background, until
from tests.harness.server_process import serving

CHECK = "/grpc.health.v1.Health/Check"
NOT_SERVING = b"\x08\x02"  # field 1, a varint


def status(url: str) -> int:
    return httpx.get(url, timeout=30).status_code


def test_it_serves_on_without_being_ready_until_a_second_signal(tmp_path):
    add_echo(tmp_path, "steady")
    add_echo(tmp_path, "broken", options={"fail_load": "no such op"})
    flags = (
        *FAST, "--frontends", "2", "--drain-delay", "3600", "--required-model", "steady",
    )  # fmt: skip
    with serving(tmp_path, arguments=flags) as server:
        at = Operator(server)
        ports = (server.url, at.admin_url)
        # A model that cannot load takes nothing from the one that is required.
        until(lambda: at.states("broken").get("1") == "UNAVAILABLE")
        assert [status(f"{url}/v2/health/ready") for url in ports] == [200, 200]
        assert status(f"{at.admin_url}/v2/models/steady/ready") == 200
        assert status(f"{at.admin_url}/v2/models/broken/versions/1/ready") == 503

        server.process.send_signal(signal.SIGTERM)
        server.wait_for("not ready from here on; serving on until the drain delay is over")

        until(lambda: [status(f"{url}/v2/health/ready") for url in ports] == [503, 503])
        with grpc.insecure_channel(server.grpc_address) as channel:
            assert channel.unary_unary(CHECK)(b"", timeout=30) == NOT_SERVING
        # Whoever has not heard of it yet is answered, on a connection that is kept.
        answer = at.infer("steady")
        assert answer.status_code == 200
        assert "connection" not in answer.headers
        assert status(f"{at.admin_url}/v2/health/live") == 200

        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(30) == 0
        server.wait_for("stopped")


def test_a_second_signal_without_a_drain_delay_ends_it_at_once(tmp_path):
    add_echo(tmp_path, "slow", options={"delay_ms": 60_000})
    with serving(tmp_path, arguments=("--frontends", "1")) as server:
        at = Operator(server)
        waiting = in_background(lambda: at.infer("slow"))
        until(lambda: Operator(server).in_flight("slow") == 1)
        server.process.send_signal(signal.SIGTERM)
        server.wait_for("stopping: finishing what is in flight")

        server.process.send_signal(signal.SIGTERM)

        assert server.process.wait(30) == 1
        with pytest.raises(httpx.HTTPError):
            waiting.result(30)
