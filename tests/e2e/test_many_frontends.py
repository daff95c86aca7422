"""Two frontends on one port: what one is told holds in both, and what one counts is added up."""

from __future__ import annotations

import contextlib
import shutil
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import grpc
import httpx
import psutil
import pytest

from protos import inference_pb2 as pb
from tests.harness.echo_repository import add_echo, ask
from tests.harness.family import door_of, frontends, workers
from tests.harness.operator import FAST, Operator, until
from tests.harness.server_process import ROOT, ServerProcess, serving

pytestmark = pytest.mark.slow

TWO = ("--frontends", "2")
BOTH_KINDS = pytest.mark.parametrize("kind", ["python", "envoy"])
EXPLICIT = (*FAST, "--model-control", "explicit", "--load-model", "*")


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return tmp_path_factory.mktemp("models")


@pytest.fixture(scope="module")
def at(root) -> Iterator[Operator]:
    """A server that follows its repository."""
    with serving(root, arguments=(*TWO, *FAST)) as server:
        yield Operator(server)


class Sockets:
    """Keep-alive clients, as many as it takes to have some at each of two frontends."""

    def __init__(self, server: ServerProcess, count: int = 12) -> None:
        self.server = server
        self._stack = contextlib.ExitStack()
        self.clients = [self._stack.enter_context(httpx.Client(timeout=30)) for _ in range(count)]
        for client in self.clients:
            client.get(f"{server.url}/v2/health/live")

    def __enter__(self) -> Sockets:
        self._by_frontend()
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    def post(self, path: str, document: object = None) -> list[httpx.Response]:
        """The answer of every client to the same question."""
        return [one.post(f"{self.server.url}{path}", json=document) for one in self.clients]

    def get(self, path: str) -> list[httpx.Response]:
        return [one.get(f"{self.server.url}{path}") for one in self.clients]

    def infer(self, model: str, version: str = "") -> set[tuple[int, str]]:
        """Status and version of all answers."""
        place = f"/versions/{version}" if version else ""
        answers = self.post(f"/v2/models/{model}{place}/infer", ask([1.0, 2.0]))
        return {(one.status_code, one.json().get("model_version", "")) for one in answers}

    def _by_frontend(self) -> None:
        """Both frontends have some of the connections; else more are opened."""
        while min(connections(self.server)) == 0:
            client = self._stack.enter_context(httpx.Client(timeout=30))
            client.get(f"{self.server.url}/v2/health/live")
            self.clients.append(client)


def connections(server: ServerProcess) -> list[int]:
    """REST connections of each frontend."""
    return [
        sum(
            one.status == psutil.CONN_ESTABLISHED and one.laddr.port == server.http_port
            for one in process.net_connections("tcp")
        )
        for process in frontends(server)
    ]


def test_each_is_a_process_and_both_get_connections(at, root):
    assert len(frontends(at.server)) == 2
    with Sockets(at.server) as sockets:
        assert min(connections(at.server)) > 0
        assert {one.status_code for one in sockets.get("/v2/health/ready")} == {200}


def test_a_switch_is_everywhere_once_it_is_anywhere_said_to_be(at, root):
    add_echo(root, "switch")
    at.until_states("switch", v1="READY")
    with Sockets(at.server) as sockets:
        assert sockets.infer("switch") == {(200, "1")}
        (root / "switch/2").mkdir()
        at.until_states("switch", v1="UNAVAILABLE", v2="READY")

        assert sockets.infer("switch") == {(200, "2")}
        assert sockets.infer("switch", "1") == {(404, "")}


def test_labels_and_rollback_are_in_force_when_their_call_is_answered(at, root):
    add_echo(root, "labelled", versions=(1, 2), version_policy="all")
    at.until_states("labelled", v1="READY", v2="READY")
    with Sockets(at.server) as sockets:
        for number in (1, 2, 1):
            assert at.label("labelled", {"stable": number}).status_code == 200
            assert sockets.infer("labelled", "stable") == {(200, str(number))}

        assert at.roll_back("labelled").status_code == 200

        assert sockets.infer("labelled") == {(200, "1")}


def test_metrics_and_statistics_are_those_of_all_together(at, root):
    add_echo(root, "counted")
    at.until_answers("counted", 1)
    before = at.metric("underway_requests_total", model="counted", protocol="rest")
    asked = Counter[str]()
    bad = {"inputs": [{"name": "x", "datatype": "INT32", "shape": [1, 2], "data": [1, 2]}]}
    with Sockets(at.server) as sockets:
        for _ in range(5):
            for answer in sockets.post("/v2/models/counted/infer", ask([1.0, 2.0, 3.0, 4.0], 2)):
                asked[str(answer.status_code)] += 1
        for answer in sockets.post("/v2/models/counted/infer", bad):
            asked[str(answer.status_code)] += 1
        totals = [one.json()["model_stats"][0] for one in sockets.get("/v2/models/counted/stats")]

    assert asked.keys() == {"200", "400"}
    total = at.metric("underway_requests_total", model="counted", protocol="rest")
    failed = at.metric(
        "underway_requests_total", model="counted", protocol="rest", outcome="INVALID_ARGUMENT",
    )  # fmt: skip
    seconds = at.metric("underway_request_duration_seconds_count", model="counted", protocol="rest")
    assert total - before == asked.total()
    assert failed == asked["400"]
    assert seconds == total
    assert {one["inference_stats"]["success"]["count"] for one in totals} == {before + asked["200"]}
    assert {one["inference_count"] for one in totals} == {before + 2 * asked["200"]}
    assert at.in_flight("counted") == 0


def test_both_protocols_share_their_port(at, root):
    add_echo(root, "spoken")
    at.until_answers("spoken", 1)
    request = pb.ModelInferRequest(model_name="spoken")
    request.inputs.add(name="x", datatype="FP32", shape=[1, 2])
    request.raw_input_contents.append(b"\x00\x00\x80\x3f\x00\x00\x00\x40")
    for number in range(10):
        # A pool of its own, or all channels would be one connection.
        options = [("grpc.use_local_subchannel_pool", 1), ("test.number", number)]
        with grpc.insecure_channel(at.server.grpc_address, options=options) as channel:
            call = channel.unary_unary("/inference.GRPCInferenceService/ModelInfer")
            answer = pb.ModelInferResponse.FromString(call(request.SerializeToString(), timeout=30))
            assert answer.model_version == "1"

    assert at.metric("underway_requests_total", model="spoken", protocol="grpc") == 10


def test_load_and_unload_hold_everywhere_whoever_was_asked(tmp_path):
    add_echo(tmp_path, "on-demand")
    with serving(tmp_path, arguments=(*TWO, *EXPLICIT)) as server, Sockets(server) as sockets:
        for client in sockets.clients[:6]:
            path = f"{server.url}/v2/repository/models/on-demand"
            assert client.post(f"{path}/unload").status_code == 200
            assert {status for status, _ in sockets.infer("on-demand")} <= {404, 503}
            assert client.post(f"{path}/load").status_code == 200
            assert sockets.infer("on-demand") == {(200, "1")}
        index = {one.text for one in sockets.post("/v2/repository/index")}
        refused = sockets.post("/v2/repository/models/nobody/load")

    assert len(index) == 1
    assert {(one.status_code, one.json()["error"]) for one in refused} == {
        (400, "load failed for model 'nobody': no model repository holds it")
    }


class Load:
    """Threads that ask until `stop`, each over a connection of its own."""

    def __init__(self, server: ServerProcess, model: str, clients: int) -> None:
        self.answers: list[Counter[str]] = [Counter() for _ in range(clients)]
        self._url = f"{server.url}/v2/models/{model}/infer"
        self._over = threading.Event()
        self._threads = [
            threading.Thread(target=self._ask, args=(counts,)) for counts in self.answers
        ]
        for thread in self._threads:
            thread.start()

    @property
    def total(self) -> Counter[str]:
        """All answers by version, or by what went wrong."""
        return sum(self.answers, Counter())

    def stop(self) -> Counter[str]:
        self._over.set()
        for thread in self._threads:
            thread.join(60)
        return self.total

    def _ask(self, counts: Counter[str]) -> None:
        with httpx.Client(timeout=30) as client:
            while not self._over.is_set():
                try:
                    answer = client.post(self._url, json=ask([1.0, 2.0]))
                except httpx.HTTPError:
                    counts["connection"] += 1
                    # Whoever lost its connection makes a new one, to whoever is there.
                    continue
                ok = answer.status_code == 200
                counts[answer.json()["model_version"] if ok else str(answer.status_code)] += 1


def test_versions_are_swapped_under_load_without_one_failure(at, root):
    folder = add_echo(root, "swapped")
    at.until_answers("swapped", 1)
    load = Load(at.server, "swapped", 8)
    for number in range(2, 14):
        (folder / str(number)).mkdir()
        until(lambda wanted=str(number): load.total[wanted] > 0)
    total = load.stop()

    assert set(total) <= {str(number) for number in range(1, 14)}
    asked = at.metric("underway_requests_total", model="swapped")
    assert asked == at.metric("underway_requests_total", model="swapped", outcome="OK") > 0


def test_a_version_with_requests_in_any_frontend_is_drained_first(at, root):
    folder = add_echo(root, "draining", options={"delay_ms": 1000})
    at.until_answers("draining", 1)
    with Sockets(at.server) as sockets, ThreadPoolExecutor(32) as threads:
        url = f"{at.server.url}/v2/models/draining/infer"
        waiting = [
            threads.submit(client.post, url, json=ask([1.0, 2.0]), timeout=60)
            for client in sockets.clients[:6]
        ]
        until(lambda: at.in_flight("draining") == 6)
        (folder / "2").mkdir()
        shutil.rmtree(folder / "1")
        answers = [future.result() for future in waiting]

    assert {(one.status_code, one.json()["model_version"]) for one in answers} == {(200, "1")}
    at.until_states("draining", v1="UNAVAILABLE", v2="READY")


@BOTH_KINDS
def test_a_frontend_killed_under_load_takes_only_its_own_connections_with_it(tmp_path, kind):
    add_echo(tmp_path, "steady")
    with serving(tmp_path, arguments=(*TWO, *FAST, "--frontend", kind)) as server:
        at = Operator(server)
        load = Load(server, "steady", 16)
        until(lambda: all(counts["1"] > 5 for counts in load.answers))
        until(lambda: min(connections(server)) > 0)
        doomed, other = frontends(server)
        worker = workers(server, "steady")[0]
        lost = connections(server)[0]

        doomed.send_signal(signal.SIGKILL)

        server.wait_for("frontend died; replacing it", pid=doomed.pid)
        until(lambda: len(frontends(server)) == 2)
        until(lambda: min(connections(server)) > 0 or _fresh(server))
        sofar = load.total["1"]
        until(lambda: load.total["1"] > sofar + 200)
        total = load.stop()

        assert set(total) <= {"1", "connection"}
        # One failure for each connection it had, and none for those of the other one; a client that
        # came back before the kernel had closed the door may have met it once more.
        assert 1 <= total["connection"] <= 2 * lost
        untouched = [counts for counts in load.answers if not counts["connection"]]
        assert len(untouched) >= 16 - lost
        assert other in frontends(server)
        assert workers(server, "steady") == [worker]
        assert at.in_flight("steady") == 0
        # What was in the dead one does not keep the version from ending.
        (tmp_path / "steady/2").mkdir()
        at.until_states("steady", v1="UNAVAILABLE", v2="READY")


def _fresh(server: ServerProcess) -> bool:
    """A connection can be made to each frontend, by trying often enough."""
    with httpx.Client() as client:
        client.get(f"{server.url}/v2/health/live")
        return min(connections(server)) > 0


def test_a_frontend_that_hangs_is_replaced_and_delays_no_switch_but_a_drain(tmp_path):
    add_echo(tmp_path, "goes-on")
    with serving(tmp_path, arguments=(*TWO, *FAST, "--silence-timeout", "4")) as server:
        hung, _ = frontends(server)
        with psutil_stopped(hung):
            (tmp_path / "goes-on/2").mkdir()
            server.wait_for("ready", model="goes-on", version=2)
            assert not any(line["event"] == "unloaded" for line in server.events)
            server.wait_for("frontend is hung; killing it", pid=hung.pid)
            server.wait_for("unloaded", model="goes-on", version=1)
        until(lambda: len(frontends(server)) == 2 and hung not in frontends(server))


@contextlib.contextmanager
def psutil_stopped(process: psutil.Process) -> Iterator[None]:
    """`process` stands still, if it is still there at the end."""
    process.suspend()
    try:
        yield
    finally:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.resume()


@BOTH_KINDS
def test_sigterm_finishes_what_is_in_flight_in_every_frontend(tmp_path, kind):
    add_echo(tmp_path, "slow", options={"delay_ms": 1000})
    with (
        serving(tmp_path, arguments=(*TWO, "--frontend", kind)) as server,
        Sockets(server) as sockets,
        ThreadPoolExecutor(8) as threads,
    ):
        url = f"{server.url}/v2/models/slow/infer"
        waiting = [
            threads.submit(client.post, url, json=ask([1.0, 2.0])) for client in sockets.clients[:4]
        ]
        until(lambda: Operator(server).in_flight("slow") == 4)

        assert server.stop() == 0
        answers = [future.result() for future in waiting]

    assert {one.status_code for one in answers} == {200}
    assert not any("killed" in line["event"] for line in server.events)


@BOTH_KINDS
def test_a_killed_gateway_takes_its_frontends_with_it(tmp_path, kind):
    add_echo(tmp_path, "m")
    with serving(tmp_path, arguments=(*TWO, "--frontend", kind)) as server:
        family = psutil.Process(server.process.pid).children(recursive=True)
        door = door_of(frontends(server)[0])
        assert door.exists()
        server.process.kill()
        server.process.wait()

        _, alive = psutil.wait_procs(family, timeout=10)
        assert alive == []
        assert not door.parent.exists()


@pytest.mark.parametrize("flag", ["--http-port", "--grpc-port"])
def test_a_second_server_does_not_share_the_port_of_the_first(at, tmp_path, flag):
    port = at.server.http_port if flag == "--http-port" else at.server.grpc_port
    add_echo(tmp_path, "m")
    command = [
        sys.executable, "-m", "server.cli", "serve", "--model-repository", str(tmp_path),
        "--http-port", "0", "--grpc-port", "0", "--metrics-port", "0", *TWO, flag, str(port),
    ]  # fmt: skip
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=60, cwd=ROOT, check=False
    )

    assert done.returncode == 2
    assert f"{flag[2:]}: cannot listen on port {port}" in done.stderr


def test_what_is_too_much_is_refused_with_a_hint(tmp_path):
    add_echo(tmp_path, "narrow", options={"delay_ms": 400})
    arguments = (*TWO, "--max-model-in-flight-rows", "4")
    with (
        serving(tmp_path, arguments=arguments) as server,
        Sockets(server) as sockets,
        ThreadPoolExecutor(32) as threads,
    ):
        url = f"{server.url}/v2/models/narrow/infer"
        waiting = [
            threads.submit(client.post, url, json=ask([1.0, 2.0])) for client in sockets.clients
        ]
        answers = [future.result() for future in waiting]
    refused = [one for one in answers if one.status_code == 429]

    # Two of each frontend's share are let in.
    assert Counter(one.status_code for one in answers)[200] == 4
    assert len(refused) == len(answers) - 4
    assert {one.headers["retry-after"] for one in refused} == {"1"}
    assert all("see max-model-in-flight-rows" in one.json()["error"] for one in refused)
