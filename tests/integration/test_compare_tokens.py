"""Tokens against servers that do with them what they like: they repeat them and send elsewhere."""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import grpc
import numpy as np
import pytest

from loadtests.compare.ask import SHOWN as ASK_KEEPS
from loadtests.compare.ask import ask, signature_at
from loadtests.compare.counters import read_counters
from loadtests.compare.facts import notes_on_statistics
from loadtests.compare.places import Place
from loadtests.compare.refused import RefusedError
from loadtests.compare.spec import Candidate
from loadtests.compare.underway import ServerError
from loadtests.generator.http_client import SHOWN as GENERATOR_KEEPS
from loadtests.generator.process import connected, run
from loadtests.generator.target import plan_for
from loadtests.samples.sample import Input, Sample
from loadtests.wire.token import VARIABLE, Token
from runtimes.contract.tensor import Datatype, Signature, TensorSpec

SECRET = "uw_a_secret"
TOKEN = Token(SECRET)
SAMPLES = [Sample((Input("x", Datatype.FP32, np.zeros((1, 2), np.float32)),), lambda _: "")]
X = TensorSpec("x", Datatype.FP32, (-1, 2))
SIGNATURE = Signature((X,), (X,))


class Gateway(http.server.BaseHTTPRequestHandler):
    """Lets in who shows the token, and repeats in errors what it was shown.

    A model whose name is a number answers with as many dashes before that.
    """

    protocol_version = "HTTP/1.1"
    server: Gateways

    def do_GET(self) -> None:
        self.server.shown.append(self.headers.get_all("authorization", []))
        if self.path.startswith("/v2/models/away"):
            self.answer(307, b"", location=f"{self.server.elsewhere}/v2/models/m")
        elif self.headers["authorization"] != f"Bearer {SECRET}":
            self.answer(401, b"who?")
        elif self.path.endswith("/stats"):
            self.answer(403, b"not these")
        else:
            tensor = {"name": "x", "datatype": "FP32", "shape": [-1, 2]}
            self.answer(200, json.dumps({"inputs": [tensor], "outputs": [tensor]}).encode())

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        shown = self.headers.get_all("authorization", [])
        self.server.shown.append(shown)
        model = self.path.rpartition("/")[2]
        if model == "away":
            self.answer(307, b"", location=f"{self.server.elsewhere}{self.path}")
        elif model.isdecimal():
            self.answer(500, ("-" * int(model) + str(shown)).encode())
        else:
            self.answer(200, body)

    def answer(self, status: int, body: bytes, **headers: str) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


class Gateways(http.server.ThreadingHTTPServer):
    """One that knows where another is; `shown` are the headers of each request."""

    def __init__(self, elsewhere: str = "") -> None:
        super().__init__(("127.0.0.1", 0), Gateway)
        self.elsewhere = elsewhere
        self.shown: list[list[str]] = []
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def place(self, token: Token, model: str = "m", protocol: str = "rest") -> Place:
        candidate = Candidate(name="c", model=model, url=self.url)
        return Place(candidate, protocol, self.url, model, self.url, 0, {}, token=token)


@pytest.fixture
def gateway() -> Iterator[Gateways]:
    with Gateways() as other, Gateways(other.url) as server:
        yield server
        for each in (server, other):
            each.shutdown()


def test_the_token_is_shown_once_with_all_that_is_asked(gateway):
    assert signature_at(gateway.place(TOKEN)) == SIGNATURE
    ask(gateway.place(TOKEN, protocol="torchserve"), SAMPLES, SIGNATURE)
    plan = plan_for(gateway.url, "torchserve", "m", SAMPLES, seconds=0.5, token=TOKEN)
    records = run(plan)

    assert records.failures == ()
    assert len(gateway.shown) == 2 + len(records.table) > 2
    assert all(headers == [f"Bearer {SECRET}"] for headers in gateway.shown)


def test_without_one_none_is_shown_even_if_the_environment_has_one(gateway, monkeypatch):
    monkeypatch.setenv(VARIABLE, SECRET)
    with pytest.raises(RefusedError, match="say token_file"):
        signature_at(gateway.place(Token()))
    run(plan_for(gateway.url, "torchserve", "m", SAMPLES, seconds=0.5))

    assert all(headers == [] for headers in gateway.shown)


def test_no_redirect_is_followed(gateway):
    away = gateway.place(TOKEN, "away")
    with pytest.raises(RefusedError, match="say where that is instead"):
        signature_at(away)
    assert "say where that is instead" in notes_on_statistics(away)[0]
    with pytest.raises(RefusedError, match="say where that is instead"):
        ask(gateway.place(TOKEN, "away", "torchserve"), SAMPLES, SIGNATURE)

    assert gateway.shown == [[f"Bearer {SECRET}"]] * 3


def test_what_a_server_repeats_gets_into_no_error_and_no_record(gateway):
    # What is kept of an error ends in the middle of the token.
    with pytest.raises(ServerError, match="500 ---") as error:
        ask(gateway.place(TOKEN, str(ASK_KEEPS - 18), "torchserve"), SAMPLES, SIGNATURE)
    model = str(GENERATOR_KEEPS - 18)
    records = run(plan_for(gateway.url, "torchserve", model, SAMPLES, seconds=0.5, token=TOKEN))

    for text in (str(error.value), *records.failures):
        assert "Bearer (th" in text
        assert SECRET[:3] not in text


class Repeating(grpc.GenericRpcHandler):
    """Refuses whatever it is asked, and repeats what it was shown."""

    def service(self, details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler:
        def refuse(_: bytes, context: grpc.ServicerContext) -> bytes:
            context.abort(grpc.StatusCode.INTERNAL, str(dict(details.invocation_metadata)))

        return grpc.unary_unary_rpc_method_handler(refuse)


def test_what_a_server_repeats_over_grpc_gets_into_no_record():
    server = grpc.server(ThreadPoolExecutor(2))
    server.add_generic_rpc_handlers((Repeating(),))
    address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    server.start()
    try:
        records = run(plan_for(address, "grpc", "m", SAMPLES, seconds=0.5, token=TOKEN))
    finally:
        server.stop(None)

    (failure,) = records.failures
    assert failure.startswith("INTERNAL ")
    assert "Bearer (the token)" in failure
    assert SECRET not in failure


def test_refused_statistics_are_a_note_and_no_end(gateway):
    assert read_counters(gateway.place(TOKEN)) is None
    (note,) = notes_on_statistics(gateway.place(TOKEN))
    assert note.startswith("The statistics are not there: candidate 'c': the server does not allow")
    assert notes_on_statistics(replace(gateway.place(TOKEN), rest="")) == []


def test_neither_command_line_nor_files_of_a_generator_have_the_token(gateway, tmp_path):
    plan = plan_for(gateway.url, "torchserve", "m", SAMPLES, seconds=0.5, token=TOKEN)
    with connected([plan], tmp_path) as load:
        (process,) = load._processes
        command = Path(f"/proc/{process.pid}/cmdline").read_bytes()
        environment = Path(f"/proc/{process.pid}/environ").read_bytes()
        load.begin()
        load.wait(30)

    assert b"loadtests.generator" in command
    assert SECRET.encode() not in command
    assert SECRET.encode() in environment
    for path in tmp_path.iterdir():
        assert SECRET.encode() not in path.read_bytes()
    assert gateway.shown
