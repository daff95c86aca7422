"""Three servers behind a proxy are replaced one after another, and no client notices."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
import httpx
import pytest

from protos import inference_pb2 as pb
from tests.harness.echo_repository import add_echo, ask
from tests.harness.envoy_proxy import EnvoyProxy
from tests.harness.operator import Operator, until
from tests.harness.server_process import ServerProcess

pytestmark = pytest.mark.slow

REPLICAS = 3
ROLLS = 1
"""How often all of them are replaced; ten shake it well."""

CLIENTS = 2
"""Connections of each kind."""

PAUSE = 0.02
"""Seconds between an answer and the next request."""

SHARE = 150
"""Requests of each protocol by which the new replicas are compared."""

UNEVEN = 1.3
"""The most that the busiest may have of what the idlest has."""

# The age is shorter than the delay, so that connections of gRPC have moved on before the end.
FLAGS = (
    "--frontends", "1", "--drain-delay", "2.5", "--max-connection-age", "1",
    "--required-model", "by-request", "--required-model", "by-connection",
)  # fmt: skip
PROTOCOLS = ("rest", "grpc")
MODELS = {"l7": "by-request", "l4": "by-connection"}


class Load:
    """Clients of both protocols that ask again and again, by request and by connection."""

    def __init__(self, port: dict[str, int]) -> None:
        self._over = threading.Event()
        self.answers = dict.fromkeys(port, 0)
        self.failures: list[str] = []
        self._threads = [
            threading.Thread(target=self._run, args=(name, number), daemon=True)
            for name, number in port.items()
            for _ in range(CLIENTS)
        ]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join(30)

    def _run(self, name: str, port: int) -> None:
        protocol, layer = name.split("-")
        client = RestClient if protocol == "rest" else GrpcClient
        with client(port, MODELS[layer]) as asking:
            while not self._over.wait(PAUSE):
                try:
                    asking.ask()
                    self.answers[name] += 1
                except (httpx.HTTPError, grpc.RpcError) as error:
                    self.failures.append(f"{name}: {error!r}")


class RestClient:
    """One connection that is kept."""

    def __init__(self, port: int, model: str) -> None:
        self._client = httpx.Client(timeout=60)
        self._url = f"http://127.0.0.1:{port}/v2/models/{model}/infer"

    def __enter__(self) -> RestClient:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def ask(self) -> None:
        answer = self._client.post(self._url, json=ask([1.0, 2.0]))
        if answer.status_code != 200:
            raise httpx.HTTPError(f"{answer.status_code}: {answer.text}")


class GrpcClient:
    """One channel that shares no connection with others."""

    def __init__(self, port: int, model: str) -> None:
        options = [("grpc.use_local_subchannel_pool", 1)]
        self._channel = grpc.insecure_channel(f"127.0.0.1:{port}", options)
        self._infer = self._channel.unary_unary("/inference.GRPCInferenceService/ModelInfer")
        message = pb.ModelInferRequest(model_name=model, raw_input_contents=[bytes(8)])
        message.inputs.add(name="x", datatype="FP32", shape=[1, 2])
        self._request = message.SerializeToString()

    def __enter__(self) -> GrpcClient:
        return self

    def __exit__(self, *_: object) -> None:
        self._channel.close()

    def ask(self) -> None:
        self._infer(self._request, timeout=60)


class Replicas:
    """The servers behind the proxy."""

    def __init__(self, root: Path, proxy: EnvoyProxy) -> None:
        self._root = root
        self._proxy = proxy
        self._all: list[ServerProcess] = []
        self.serving: list[ServerProcess] = []

    def start(self) -> None:
        with ThreadPoolExecutor(REPLICAS) as threads:
            self.serving = list(threads.map(lambda _: self._start_one(), range(REPLICAS)))
        self._proxy.start(self.serving)

    def roll(self) -> list[ServerProcess]:
        """Replace each by a new one as a Deployment does, which has one more meanwhile; the old
        ones, ended.
        """
        old, ending = list(self.serving), []
        for server in old:
            self.serving.append(self._start_one())
            self._proxy.follow([*self.serving, *ending])
            self._proxy.until_in_use(self.serving[-1:])
            self.serving.remove(server)
            server.process.send_signal(signal.SIGTERM)
            # What ends is still known to the proxy, as an endpoint that is not ready.
            ending.append(server)
        for server in ending:
            server.process.wait(60)
        self._proxy.follow(self.serving)
        return ending

    def stop(self) -> None:
        for server in self._all:
            server.process.kill()
            server.process.wait()

    def _start_one(self) -> ServerProcess:
        server = ServerProcess("--model-repository", str(self._root), *FLAGS)
        self._all.append(server)
        return server.started()


@pytest.fixture
def proxy(tmp_path: Path) -> Iterator[EnvoyProxy]:
    folder = tmp_path / "envoy"
    folder.mkdir()
    made = EnvoyProxy(folder)
    yield made
    made.stop()


@pytest.fixture
def replicas(tmp_path: Path, proxy: EnvoyProxy) -> Iterator[Replicas]:
    root = tmp_path / "models"
    for model in MODELS.values():
        add_echo(root, model)
    made = Replicas(root, proxy)
    yield made
    made.stop()


@pytest.mark.slow
def test_no_request_fails_and_new_replicas_get_their_share(replicas, proxy):
    replicas.start()
    load = Load(proxy.port)
    try:
        until(lambda: all(count > 10 for count in load.answers.values()))
        ended = [server for _ in range(ROLLS) for server in replicas.roll()]
        operators = [Operator(server) for server in replicas.serving]
        by_request = shares(operators)
        # By connection the share comes with the age: nobody's connections stay where they were.
        for protocol in PROTOCOLS:
            until(lambda it=protocol: all(answered(at, "by-connection", it) for at in operators))
    finally:
        load.stop()

    assert load.failures == []
    assert [server.process.returncode for server in ended] == [0] * (ROLLS * REPLICAS)
    for protocol, counts in by_request.items():
        assert max(counts) <= UNEVEN * min(counts), (protocol, counts)


def shares(operators: list[Operator]) -> dict[str, list[float]]:
    """By protocol, what each answers of the next SHARE requests that come by the proxy's choice."""

    def now() -> dict[str, list[float]]:
        return {it: [answered(at, "by-request", it) for at in operators] for it in PROTOCOLS}

    def since() -> dict[str, list[float]]:
        return {
            it: [then - first for then, first in zip(counts, before[it], strict=True)]
            for it, counts in now().items()
        }

    before = now()
    until(lambda: all(sum(counts) >= SHARE for counts in since().values()), 60)
    return since()


def answered(at: Operator, model: str, protocol: str) -> float:
    return at.metric("underway_requests_total", model=model, protocol=protocol)
