"""A server with tokens: every way in asks for one, by the same rules, whatever the spelling."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import grpc
import httpx
import pytest
from click.testing import CliRunner
from grpc_health.v1 import health_pb2, health_pb2_grpc

from protos import inference_pb2 as pb
from server.cli import main
from tests.harness.browser import Console, browser
from tests.harness.echo_repository import add_echo, ask
from tests.harness.operator import FAST, until
from tests.harness.server_process import ServerProcess, run_client, serving
from tests.harness.tokens import GUESS, TOKENS, showing, write_access

OIP = "/inference.GRPCInferenceService/"
INFER = f"{OIP}ModelInfer"
OPEN = ("", "guess", *TOKENS)
LIMIT = 2**20
TOO_LARGE = LIMIT + 18 * 2**20
"""More than gRPC itself lets pass; see frontends/grpc.py."""
WAYS = {
    "one": (),
    "two": ("--frontends", "2"),
    "envoy": ("--frontend", "envoy"),
}
SMALL = ask([1.0, 2.0])
LARGE = {**SMALL, "parameters": {"note": "x" * 100_000}}
"""Too large for the lane that small requests have to themselves."""

CLIENTS = [
    ("GET", "/v2/health/live", None, OPEN),
    ("GET", "/v2/health/ready", None, OPEN),
    ("GET", "/v2", None, ("infer",)),
    ("GET", "/v2/models/m", None, ("infer",)),
    ("GET", "/v2/models/m/ready", None, ("infer",)),
    ("GET", "/v2/models/m/versions/1/config", None, ("infer",)),
    ("GET", "/v2/models/stats", None, ("infer",)),
    ("POST", "/v2/models/m/infer", SMALL, ("infer",)),
    ("POST", "/v2/models/m/versions/1/infer?a=b", SMALL, ("infer",)),
    ("POST", "/v2/models/m/infer", LARGE, ("infer",)),
    ("POST", "/v2/models/nobody/infer", SMALL, ("infer",)),
    ("POST", "/v2/repository/index", None, ("infer",)),
    ("POST", "/v1/models/m:predict", {"instances": [[1.0, 2.0]]}, ("infer",)),
    ("GET", "/V1/models/m", None, ("infer",)),
    ("GET", "/openapi.json", None, ("infer",)),
    ("GET", "/docs", None, ("infer",)),
    ("GET", "/monitoring/prometheus/metrics", None, ("metrics",)),
    ("POST", "/v2/repository/models/m/load", None, ("control",)),
    ("POST", "/v2/repository/models/m/unload", None, ("control",)),
    ("GET", "/v2/logging", None, ("control",)),
    ("POST", "/v2/trace/setting", {}, ("control",)),
    ("POST", "/v2/systemsharedmemory/unregister", None, ("infer",)),
    ("GET", "/nothing", None, ("control",)),
    ("OPTIONS", "/v2/models/m/infer", None, ("control",)),
    ("POST", "/v2/health/live", None, ("control",)),
    ("POST", "//v2/models/m/infer", SMALL, ("control",)),
    ("POST", "/v2/models/m/infer/", SMALL, ("control",)),
    ("POST", "/v2/models/m%2Finfer", SMALL, ("infer",)),  # another spelling of the same
]
OPERATORS = [
    ("GET", "/v2/health/live", OPEN),
    ("GET", "/v2/health/ready", OPEN),
    ("GET", "/metrics", ("metrics", "operate")),
    ("GET", "/v2/models/m/ready", ("operate",)),
    ("GET", "/v2/admin/overview", ("operate",)),
    ("GET", "/v2/admin/models/m/labels", ("operate",)),
    ("POST", "/v2/admin/models/m/rollback", ("operate",)),
    ("POST", "/v2/models/m/profile", ("operate",)),
    ("GET", "/console/", ("operate",)),
    ("GET", "/console/v2/models/m", ("operate",)),
    ("GET", "/nothing", ("operate",)),
    ("HEAD", "/metrics", ("metrics", "operate")),
]


def start(folder: Path, *flags: str) -> Iterator[ServerProcess]:
    add_echo(folder / "models", "m")
    access = write_access(folder / "access.yaml")
    arguments = ("--access-file", str(access), "--metrics-compat", "tf_serving", *FAST, *flags)
    arguments += ("--max-message-bytes", str(LIMIT))
    with serving(folder / "models", arguments=arguments) as server:
        yield server


@pytest.fixture(
    scope="module",
    params=["one", *(pytest.param(way, marks=pytest.mark.slow) for way in ("two", "envoy"))],
)
def at(tmp_path_factory, request) -> Iterator[ServerProcess]:
    yield from start(tmp_path_factory.mktemp("access"), *WAYS[request.param])


def token_of(caller: str) -> str:
    return GUESS if caller == "guess" else TOKENS.get(caller, "")


def operators(server: ServerProcess) -> str:
    return f"http://127.0.0.1:{server.metrics_port}"


def judged(status: int, caller: str, may: tuple[str, ...]) -> bool:
    """Whether `status` is what `caller` has to get of what those in `may` may ask."""
    if caller in may:
        return status not in (401, 403)
    return status == (401 if caller in ("", "guess") else 403)


@pytest.mark.parametrize("caller", OPEN)
def test_each_route_answers_those_who_may_and_refuses_all_others(at, caller):
    shown = showing(token_of(caller))
    with httpx.Client(timeout=60, headers=shown) as client:
        found = {}
        for verb, path, body, may in CLIENTS:
            answer = client.request(verb, at.url + path, json=body)
            if not judged(answer.status_code, caller, may):
                found[verb, path] = answer.status_code
        for verb, path, may in OPERATORS:
            answer = client.request(verb, operators(at) + path)
            if not judged(answer.status_code, caller, may):
                found[verb, path] = answer.status_code
    assert found == {}


def test_those_who_may_get_what_they_ask_for(at):
    shown = showing(TOKENS["infer"])
    for body in (SMALL, LARGE):
        answer = httpx.post(f"{at.url}/v2/models/m/infer", json=body, headers=shown, timeout=60)
        assert answer.json()["outputs"][0]["data"] == [1.0, 2.0]
    page = httpx.get(f"{operators(at)}/metrics", headers=showing(TOKENS["metrics"])).text
    assert "underway_requests_total" in page


def test_a_refusal_tells_the_way_in_and_nothing_of_the_model(at):
    for model in ("m", "nobody"):
        answer = httpx.post(f"{at.url}/v2/models/{model}/infer", json=SMALL)
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"] == 'Bearer realm="underway"'
        assert "Authorization: Bearer TOKEN" in answer.json()["error"]
    answer = httpx.get(f"{operators(at)}/console/")
    assert "Basic" in answer.headers["www-authenticate"]


@pytest.mark.parametrize(
    "head",
    [
        b"POST /v2/models/m/infer HTTP/1.0\r\n",
        b"POST http://x/v2/models/m/infer HTTP/1.1\r\nHost: x\r\n",
        b"POST /v2/models/m/infer#/v2/health/live HTTP/1.1\r\nHost: x\r\n",
        b"POST /v2/models/m/infer?/v2/health/live HTTP/1.1\r\nHost: x\r\n",
        b"POST /v2/health/live/../../models/m/infer HTTP/1.1\r\nHost: x\r\n",
        b"POST /v2/models/m/infer HTTP/1.1\r\nHost: x\r\nAuthorization:\r\n",
        b"POST /v2/models/m/infer HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer\r\n",
        b"POST /v2/models/m/infer HTTP/1.1\r\nHost: x\r\nProxy-Authorization: Bearer %b\r\n",
        b"POST /v2/models/m/infer HTTP/1.1\r\nHost: x\r\nX-HTTP-Method-Override: GET\r\n",
        b"POST /v2/models/m/infer HTTP/1.1\r\nHost: x\r\nX-Original-URL: /v2/health/live\r\n",
        b"POST /v2/models/m/infer HTTP/1.1\r\nHost: x\r\nAuthorization: Basic %b\r\n",
    ],
)
def test_no_head_gets_in_without_a_token(at, head):
    token = TOKENS["infer"].encode()
    body = b'{"inputs":[{"name":"x","datatype":"FP32","shape":[1,2],"data":[1,2]}]}'
    request = head.replace(b"%b", token) + b"Content-Length: %d\r\n\r\n" % len(body) + body
    with socket.create_connection(("127.0.0.1", at.http_port), timeout=30) as sock:
        sock.sendall(request)
        answer = sock.recv(65536)
    assert answer.split(b" ")[1] in (b"400", b"401", b"403")
    assert b"outputs" not in answer


def first_line(at: ServerProcess, request: bytes) -> bytes:
    """How the answer to raw bytes begins."""
    with socket.create_connection(("127.0.0.1", at.http_port), timeout=30) as sock:
        sock.sendall(request)
        return sock.recv(65536).partition(b"\r\n")[0]


INFER_HEAD = b"POST /v2/models/m/infer HTTP/1.1\r\nHost: x\r\n"


def test_who_may_not_is_told_before_the_body_is_there(at):
    for size in (60_000, 10_000_000):
        assert b" 401 " in first_line(at, INFER_HEAD + b"Content-Length: %d\r\n\r\n" % size)


def test_a_token_behind_the_body_is_none(at):
    head = INFER_HEAD + b"Transfer-Encoding: chunked\r\nTrailer: Authorization\r\n\r\n"
    body = b'{"inputs":[{"name":"x","datatype":"FP32","shape":[1,2],"data":[1,2]}]}'
    trailer = b"Authorization: Bearer %s\r\n\r\n" % TOKENS["infer"].encode()
    request = head + b"%x\r\n%s\r\n0\r\n" % (len(body), body) + trailer
    assert b" 401 " in first_line(at, request)


@pytest.mark.parametrize("tokens", [("infer", "guess"), ("guess", "infer"), ("infer", "infer")])
def test_two_tokens_are_none(at, tokens):
    shown = [f"Bearer {token_of(one)}" for one in tokens]
    fields = [("authorization", one) for one in shown]
    answer = httpx.post(f"{at.url}/v2/models/m/infer", json=SMALL, headers=fields, timeout=30)
    assert answer.status_code == 401
    with (
        grpc.insecure_channel(at.grpc_address) as channel,
        pytest.raises(grpc.RpcError) as caught,
    ):
        channel.unary_unary(INFER)(question(), metadata=tuple(fields), timeout=30)
    assert caught.value.code() is grpc.StatusCode.UNAUTHENTICATED


def test_a_message_is_not_read_of_those_who_may_not(at):
    with_token, without = (
        call(at, INFER, bytes(TOO_LARGE), token) for token in (TOKENS["infer"], "")
    )
    assert with_token is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert without is grpc.StatusCode.UNAUTHENTICATED


def call(at: ServerProcess, method: str, message: bytes, token: str) -> grpc.StatusCode:
    """How a call ends; streams are sent one message."""
    with grpc.insecure_channel(at.grpc_address) as channel:
        metadata = tuple(showing(token).items())
        try:
            if method.endswith(("StreamInfer", "ReflectionInfo", "Watch")):
                answers = channel.stream_stream(method)(
                    iter([message]), metadata=metadata, timeout=30
                )
                next(answers)
            else:
                channel.unary_unary(method)(message, metadata=metadata, timeout=30)
        except grpc.RpcError as error:
            code: grpc.StatusCode = error.code()
            return code
    return grpc.StatusCode.OK


def question() -> bytes:
    message = pb.ModelInferRequest(model_name="m")
    message.inputs.add(name="x", datatype="FP32", shape=[1, 2])
    message.raw_input_contents.append(bytes(8))
    encoded: bytes = message.SerializeToString()
    return encoded


METHODS = [
    (f"{OIP}ServerLive", b"", OPEN),
    (f"{OIP}ServerReady", b"", OPEN),
    ("/grpc.health.v1.Health/Check", b"", OPEN),
    ("/grpc.health.v1.Health/Watch", b"", OPEN),
    (INFER, question(), ("infer",)),
    (f"{OIP}ModelStreamInfer", question(), ("infer",)),
    (f"{OIP}ModelReady", pb.ModelReadyRequest(name="m").SerializeToString(), ("infer",)),
    (f"{OIP}ServerMetadata", b"", ("infer",)),
    (f"{OIP}RepositoryIndex", b"", ("infer",)),
    (f"{OIP}RepositoryModelLoad", b"", ("control",)),
    (f"{OIP}LogSettings", b"", ("control",)),
    ("/tensorflow.serving.PredictionService/Predict", b"", ("infer",)),
    ("/tensorflow.serving.ModelService/HandleReloadConfigRequest", b"", ("control",)),
    (f"{OIP}NoSuchMethod", b"", ("control",)),
    (f"{OIP}SystemSharedMemoryUnregister", b"", ("infer",)),
    ("/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo", b"", ("infer",)),
]


@pytest.mark.parametrize("caller", OPEN)
def test_each_method_answers_those_who_may_and_refuses_all_others(at, caller):
    refusal = (
        grpc.StatusCode.UNAUTHENTICATED
        if caller in ("", "guess")
        else grpc.StatusCode.PERMISSION_DENIED
    )
    refusals = (grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.PERMISSION_DENIED)
    found = {}
    for method, message, may in METHODS:
        code = call(at, method, message, token_of(caller))
        if (code in refusals) if caller in may else (code is not refusal):
            found[method] = code
    assert found == {}


def test_a_balancer_needs_no_token(at):
    with grpc.insecure_channel(at.grpc_address) as channel:
        health = health_pb2_grpc.HealthStub(channel)
        answer = health.Check(health_pb2.HealthCheckRequest(), timeout=30)
    assert answer.status == health_pb2.HealthCheckResponse.SERVING


def test_tritonclient_shows_its_token_as_a_header(at):
    address = f"127.0.0.1:{at.http_port}"
    program = Path(__file__).parent / "clients" / "access.py"
    assert "as it should" in run_client(program, address, at.grpc_address, TOKENS["infer"])


def test_a_name_and_a_password_are_for_the_operators_port_only(at):
    given = ("operate", TOKENS["operate"])
    assert httpx.get(f"{operators(at)}/v2/admin/overview", auth=given).status_code == 200
    wrong = ("somebody", TOKENS["operate"])
    assert httpx.get(f"{operators(at)}/v2/admin/overview", auth=wrong).status_code == 401
    infer = ("infer", TOKENS["infer"])
    assert httpx.get(f"{at.url}/v2", auth=infer).status_code == 401


def test_the_command_line_shows_what_the_environment_has(at):
    def models(**environment: str | None):
        flags = ("models", "--url", at.url, "--admin-url", operators(at), "--json")
        return CliRunner().invoke(main, flags, env={"UNDERWAY_TOKEN": None, **environment})

    assert models(UNDERWAY_TOKEN=TOKENS["infer"]).exit_code == 0
    refused = models()
    assert refused.exit_code == 1
    assert "expected 'Authorization: Bearer TOKEN'" in refused.output


def refused_calls(server: ServerProcess, door: str, code: str) -> float:
    page = httpx.get(f"{operators(server)}/metrics", headers=showing(TOKENS["metrics"])).text
    series = f'underway_refused_calls_total{{code="{code}",door="{door}"}} '
    return sum(float(line[len(series) :]) for line in page.splitlines() if line.startswith(series))


def test_refusals_are_counted_by_port(at):
    doors = ("rest", "grpc", "operators")
    before = {door: refused_calls(at, door, "UNAUTHENTICATED") for door in doors}
    for _ in range(3):
        httpx.post(f"{at.url}/v2/models/m/infer", json=SMALL)
        call(at, INFER, question(), GUESS)
        httpx.get(f"{operators(at)}/metrics")
    for door in doors:
        assert refused_calls(at, door, "UNAUTHENTICATED") - before[door] == 3


def test_tokens_come_and_go_while_it_serves(at):
    path = Path(at.process.args[at.process.args.index("--access-file") + 1])
    shown = showing(TOKENS["infer"])

    def status(**headers: str) -> int:
        answer = httpx.post(f"{at.url}/v2/models/m/infer", json=SMALL, headers=headers)
        return answer.status_code

    assert status(**shown) == 200
    try:
        path.write_text("tokens: [")  # half written
        at.wait_for("the access file cannot be used; what it said last holds", 20)
        assert (status(**shown), status()) == (200, 401)
        write_access(path, without="infer")
        until(lambda: status(**shown) == 401)
        write_access(path, without="infer", anonymous=("infer",))
        until(lambda: status() == 200)
    finally:
        write_access(path)
    until(lambda: (status(**shown), status()) == (200, 401))


def test_a_wrong_file_stops_the_start_and_says_where(tmp_path):
    (tmp_path / "models").mkdir()
    access = tmp_path / "access.yaml"
    access.write_text("tokens: [{name: shop, sha256: secret, may: [infer]}]")
    flags = ("serve", "--model-repository", tmp_path / "models", "--access-file", access)
    flags += ("--http-port", 0, "--grpc-port", 0, "--metrics-port", 0)
    done = CliRunner().invoke(main, [str(flag) for flag in flags])
    assert done.exit_code == 2
    assert "access-file: tokens[0].sha256: expected 64 digits" in done.output


@pytest.mark.slow
def test_a_browser_asks_for_the_token_and_the_console_lives(tmp_path):
    with browser() as chromium:
        for server in start(tmp_path):
            given = {"username": "operate", "password": TOKENS["operate"]}
            context = chromium.new_context(http_credentials=given)
            shown = Console(context.new_page(), server).open("m")
            assert shown.complaints == []
            context.close()
            client = {"username": "infer", "password": TOKENS["infer"]}
            page = chromium.new_context(http_credentials=client).new_page()
            assert page.goto(f"{operators(server)}/console/").status == 403
