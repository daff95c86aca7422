"""A whole server over TLS: all ports, clients with certificates, renewals while requests run."""

from __future__ import annotations

import contextlib
import json
import re
import socket
import ssl
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import grpc
import httpx
import pytest
import trustme
from click.testing import CliRunner

from server.cli import main
from server.tls.facts import facts_of
from tests.harness.echo_repository import add_echo, ask, put
from tests.harness.family import door_of, frontends
from tests.harness.operator import in_background, until
from tests.harness.server_process import (
    CLIENT_PYTHON,
    ROOT,
    Event,
    ServerProcess,
    run_client,
    serving,
)
from tests.harness.tls import NAME, Secret, shown, trusting
from tests.unit.server.frontends.grpc_double import infer_message

INFER = "/inference.GRPCInferenceService/ModelInfer"
LIVE = "/inference.GRPCInferenceService/ServerLive"
CARRIERS = [
    pytest.param((), id="in-the-gateway"),
    pytest.param(("--frontends", "2"), id="two-processes", marks=pytest.mark.slow),
    pytest.param(
        ("--frontends", "2", "--frontend", "envoy"), id="two-in-envoy", marks=pytest.mark.slow
    ),
]


@dataclass
class World:
    """A server, who vouches for it, who vouches for its clients, and a client's files."""

    server: ServerProcess
    secret: Secret
    folder: Path
    authority: trustme.CA
    clients: trustme.CA
    ca_file: Path
    own: tuple[Path, Path]

    @property
    def context(self) -> ssl.SSLContext:
        """What a client trusts and shows."""
        return trusting(self.authority, self.clients)

    @property
    def rest(self) -> str:
        return f"https://{NAME}:{self.server.http_port}"

    @property
    def operators(self) -> str:
        return f"https://{NAME}:{self.server.metrics_port}"

    @property
    def ports(self) -> tuple[int, int, int]:
        return self.server.http_port, self.server.grpc_port, self.server.metrics_port

    def channel(self, own: bool = True) -> grpc.Channel:
        key, certificate = (path.read_bytes() if own else None for path in reversed(self.own))
        credentials = grpc.ssl_channel_credentials(
            self.authority.cert_pem.bytes(), key, certificate
        )
        options = [("grpc.use_local_subchannel_pool", 1)]
        return grpc.secure_channel(f"{NAME}:{self.server.grpc_port}", credentials, options)

    def issue(self, *, in_place: bool = False) -> bytes:
        """Renew the certificate; the new one, as DER."""
        return self.secret.issue(self.authority, self.clients, in_place=in_place)


@pytest.fixture(scope="module", params=CARRIERS)
def world(request, tmp_path_factory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("tls")
    models = folder / "models"
    models.mkdir()
    add_echo(models, "quick")
    add_echo(models, "wide", inputs=[{"name": "x", "datatype": "FP32", "shape": [-1, -1]}])
    authority, clients = trustme.CA(), trustme.CA()
    secret = Secret(folder / "secret")
    secret.issue(authority, clients)
    ca_file, own = folder / "trusted.pem", (folder / "own.pem", folder / "own.key")
    authority.cert_pem.write_to_path(ca_file)
    issued = clients.issue_cert("client")
    issued.cert_chain_pems[0].write_to_path(own[0])
    issued.private_key_pem.write_to_path(own[1])
    flags = (*secret.flags, "--tls-client-ca", str(secret.client_ca), *request.param)
    with serving(models, arguments=flags) as server:
        yield World(server, secret, folder, authority, clients, ca_file, own)
        # Whatever came to the ports, the log has only what happened.
        assert server.stop() == 0
        with pytest.raises(RuntimeError, match="the server ended before"):
            server.wait_for("nothing")
        assert trouble(server) == []


def trouble(server: ServerProcess) -> list[Event]:
    """Lines of the log that say what should not have happened."""
    return [
        line
        for line in server.events
        if line["event"] in ("not json", "unexpected error")
        # Said by a frontend that cannot start, before it is Envoy and knows how to log.
        and not line.get("text", "").startswith("tls-certificate: ")
    ]


def test_the_log_says_that_tls_is_spoken(world):
    assert world.server.listening["tls"] is True


@pytest.mark.skipif(not CLIENT_PYTHON.exists(), reason="the clients' environment is missing")
def test_tritons_clients_are_answered(world):
    told = run_client(
        ROOT / "tests/e2e/clients/tls.py", *map(str, world.ports[:2]), str(world.ca_file),
        *map(str, world.own),
    )  # fmt: skip

    right = {"1": True, "1000000": True}
    assert json.loads(told) == {"rest": right, "grpc": right}


def test_clients_without_a_certificate_are_refused(world):
    for context in (trusting(world.authority), trusting(world.authority, world.authority)):
        with pytest.raises(httpx.TransportError):
            httpx.get(f"{world.rest}/v2", verify=context)
    with world.channel(own=False) as channel, pytest.raises(grpc.RpcError) as refusal:
        channel.unary_unary(LIVE)(b"", timeout=10)
    assert refusal.value.code() is grpc.StatusCode.UNAVAILABLE
    # Both ports are there for those who have one.
    assert httpx.get(f"{world.rest}/v2", verify=world.context).status_code == 200
    with world.channel() as channel:
        channel.unary_unary(LIVE)(b"", timeout=10)


def test_probes_and_operators_need_none(world):
    context = trusting(world.authority)
    for path in ("/v2/health/ready", "/metrics", "/v2/admin/overview"):
        assert httpx.get(f"{world.operators}{path}", verify=context).status_code == 200


def test_a_client_that_does_not_speak_tls_is_hung_up_on(world):
    for port in world.ports:
        with socket.create_connection((NAME, port), timeout=30) as sock:
            sock.sendall(b"GET /v2 HTTP/1.1\r\nHost: x\r\n\r\n")
            with contextlib.suppress(ConnectionError):
                assert not sock.recv(100).startswith(b"HTTP")


def test_the_metrics_tell_when_the_certificate_expires(world):
    text = httpx.get(f"{world.operators}/metrics", verify=world.context).text
    (line,) = (
        line for line in text.splitlines()
        if line.startswith("underway_tls_certificate_expiry_timestamp_seconds ")
    )  # fmt: skip

    assert float(line.split()[1]) == facts_of(world.secret.certificate.read_bytes()).expires_at


def test_the_images_health_check_finds_it_ready(world):
    done = subprocess.run(
        [sys.executable, "-I", "-S", str(ROOT / "deploy/docker/health.py")],
        env={"UNDERWAY_METRICS_PORT": str(world.server.metrics_port)},
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip

    assert (done.returncode, done.stdout) == (0, "")


# ---- commands ------------------------------------------------------------------------------------


def models(world: World, *flags: str) -> tuple[int, str]:
    urls = ("--url", world.rest, "--admin-url", world.operators)
    done = CliRunner().invoke(main, ["models", *urls, *flags])
    return done.exit_code, done.output


def test_underway_models_asks_it(world, monkeypatch):
    monkeypatch.setattr(urllib.request, "_opener", None)  # which the command sets
    shows = ("--client-certificate", str(world.own[0]), "--client-key", str(world.own[1]))
    trusts = ("--ca-file", str(world.ca_file))

    code, said = models(world, *trusts, *shows)
    assert (code, "quick" in said) == (0, True), said
    # Operators' routes need no certificate of the client's.
    code, said = models(world, *trusts, "history", "quick")
    assert (code, "READY" in said) == (0, True), said
    monkeypatch.setattr(urllib.request, "_opener", None)
    code, said = models(world, *trusts)
    assert code == 1
    assert "want a certificate of its clients (--client-certificate)" in said
    code, said = models(world, *shows)
    assert code == 1
    assert "is not trusted" in said
    assert "--ca-file" in said


def test_doctor_finds_the_files_good(world):
    flags = (*world.secret.flags, "--tls-client-ca", str(world.secret.client_ca))
    free = ("--http-port", "0", "--grpc-port", "0", "--metrics-port", "0")
    repository = ("--model-repository", str(world.folder / "models"))
    done = CliRunner().invoke(main, ["doctor", "--json", *free, *repository, *flags])

    found = {
        one["name"]: one for one in json.loads(done.stdout)["findings"] if one["area"] == "tls"
    }
    assert {one["grade"] for one in found.values()} == {"ok"}
    assert found["names"]["details"]["names"] == [NAME, "127.0.0.1"]


# ---- renewal -------------------------------------------------------------------------------------


def keeps_asking(stop: threading.Event, one: Callable[[], object]) -> int:
    """How often `one` went well until told to stop; raises where it did not."""
    count = 0
    while not stop.is_set():
        one()
        count += 1
    return count


def test_renewals_are_taken_up_and_no_request_fails(world):
    stop, context, body, ports = threading.Event(), world.context, ask([1.0, 2.0]), world.ports
    url = f"{world.rest}/v2/models/quick/infer"
    kept, channel = httpx.Client(verify=context), world.channel()
    question = infer_message("quick").SerializeToString()

    def on_a_new_connection() -> None:
        httpx.post(url, json=body, verify=context, timeout=30).raise_for_status()

    def on_a_new_channel() -> None:
        with world.channel() as new:
            new.unary_unary(INFER)(question, timeout=30)

    asking = [
        in_background(lambda one=one: keeps_asking(stop, one))
        for one in (
            lambda: kept.post(url, json=body).raise_for_status(),
            lambda: channel.unary_unary(INFER)(question, timeout=30),
            on_a_new_connection,
            on_a_new_channel,
        )
    ]
    try:
        for in_place in (False, True):
            renewed = world.issue(in_place=in_place)
            until(lambda new=renewed: all(shown((NAME, port), context) == new for port in ports))
    finally:
        stop.set()
    assert all(one.result(timeout=60) > 0 for one in asking)
    kept.close()
    channel.close()


def test_a_broken_renewal_changes_nothing_until_it_is_mended(world):
    before = shown((NAME, world.server.http_port), world.context)
    world.server.forget()
    whole = world.authority.issue_cert(NAME)
    chain = whole.cert_chain_pems[0].bytes()

    world.secret.put(chain[:200], whole.private_key_pem.bytes(), world.clients.cert_pem.bytes())
    line = world.server.wait_for(
        "the renewed certificate cannot be used; the one before stays in use"
    )
    assert line["reason"].startswith("tls-certificate: ")
    assert {shown((NAME, port), world.context) for port in world.ports} == {before}

    world.secret.put(chain, whole.private_key_pem.bytes(), world.clients.cert_pem.bytes())
    for port in world.ports:
        until(lambda port=port: shown((NAME, port), world.context) != before)


def test_a_frontend_that_dies_meanwhile_hangs_up_on_nobody_and_comes_back_when_it_is_mended(world):
    before = frontends(world.server)
    if not before:
        pytest.skip("the one frontend is in the gateway")
    world.secret.put(b"nothing", b"nothing", b"nothing")
    before[0].kill()
    before[0].wait(30)
    world.server.forget()
    world.server.wait_for("frontend died; replacing it")  # again: the new one cannot start
    for _ in range(10):
        assert httpx.get(f"{world.rest}/v2", verify=world.context).status_code == 200

    renewed = world.issue()
    until(lambda: shown((NAME, world.server.http_port), world.context) == renewed)
    until(lambda: answering(world) == len(before), 60)
    for _ in range(10):
        assert httpx.get(f"{world.rest}/v2", verify=world.context).status_code == 200


def answering(world: World) -> int:
    """How many frontends in processes of their own are answering."""
    text = httpx.get(f"{world.operators}/metrics", verify=world.context).text
    return len(set(re.findall(r'lag_seconds_count\{process="frontend-(\d+)', text)))


def test_an_envoy_that_reads_what_cannot_be_used_does_not_stay_and_hang_up_on_everybody(world):
    before = frontends(world.server)
    if not before or not (told := door_of(before[0]).parent / "tls/own.json").exists():
        pytest.skip("no Envoy")
    # As if the certificate had been written over after the look that found it good.
    right = told.read_text()
    put(told, right.replace(str(world.secret.certificate), str(world.folder / "nothing")))
    before[0].kill()

    ended = world.server.wait_for("Envoy cannot serve; ending at once")
    assert "certificate's files changed" in ended["reason"]

    put(told, right)
    until(lambda: answering(world) == len(before), 60)
    for _ in range(10):
        assert httpx.get(f"{world.rest}/v2", verify=world.context).status_code == 200


def test_renewed_authorities_of_clients_hold_for_new_connections(world):
    new = trustme.CA()
    world.secret.issue(world.authority, new)
    context = trusting(world.authority, new)

    def let_in(with_context: ssl.SSLContext) -> bool:
        try:
            return httpx.get(f"{world.rest}/v2", verify=with_context).status_code == 200
        except httpx.TransportError:
            return False

    until(lambda: let_in(context))
    # Each of several frontends looks for itself.
    until(lambda: not any(let_in(world.context) for _ in range(6)))
    world.issue()
    until(lambda: all(let_in(world.context) for _ in range(6)))


# ---- starts --------------------------------------------------------------------------------------


def test_a_start_with_files_that_cannot_be_used_says_which(tmp_path):
    files = [str(tmp_path / "tls.crt"), str(tmp_path / "tls.key")]
    flags = ("--tls-certificate", files[0], "--tls-key", files[1])
    done = subprocess.run(
        [sys.executable, "-m", "server.cli", "serve", "--model-repository", str(tmp_path), *flags],
        capture_output=True, text=True, timeout=60, check=False, cwd=ROOT,
    )  # fmt: skip

    assert done.returncode == 2
    said = f"tls-certificate: '{files[0]}' cannot be read: No such file or directory"
    assert said in " ".join(done.stderr.split())
    assert "listening" not in done.stderr
