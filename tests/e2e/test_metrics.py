"""What a server says it did is what its clients say it did, to the request, over two frontends with
errors, cancellations, passed deadlines and a killed worker in between.
"""

from __future__ import annotations

import subprocess
from collections import Counter
from collections.abc import Iterator

import grpc
import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from protos import inference_pb2 as pb
from tests.harness.echo_repository import add_echo, ask
from tests.harness.operator import FAST, Operator, in_background, until
from tests.harness.server_process import ROOT, serving

PROMTOOL = ROOT / ".venvs/prometheus/promtool"
INFER = "/inference.GRPCInferenceService/ModelInfer"
STATUS = {
    200: "OK", 400: "INVALID_ARGUMENT", 404: "NOT_FOUND", 413: "TOO_LARGE", 500: "INTERNAL",
    503: "UNAVAILABLE",
}  # fmt: skip
GAVE_UP = "CANCELLED or DEADLINE_EXCEEDED"
"""Which of both a server makes of a client that went away when its time was up is a race."""

STATUSES = {"CANCELLED": GAVE_UP, "DEADLINE_EXCEEDED": GAVE_UP}


class Client:
    """Asks over both protocols and counts how it ended: (model, protocol, outcome)."""

    def __init__(self, at: Operator) -> None:
        self.at = at
        self.counted: Counter[tuple[str, str, str]] = Counter()
        self._rest = httpx.Client(timeout=60)
        self._channels = [
            grpc.insecure_channel(at.server.grpc_address, [("grpc.use_local_subchannel_pool", 1)])
            for _ in range(6)
        ]
        self._asked = 0

    def close(self) -> None:
        for channel in self._channels:
            channel.close()

    def rest(self, model: str, body: object = None, timeout: float = 60) -> httpx.Response | None:
        url = f"{self.at.server.url}/v2/models/{model}/infer"
        content = {"content": body} if isinstance(body, bytes) else {"json": body or ask([1, 2])}
        try:
            # A connection of its own each time, so that both frontends are asked.
            answer = httpx.post(url, timeout=timeout, **content)
        except httpx.ReadTimeout:
            self.counted[model, "rest", GAVE_UP] += 1
            return None
        self.counted[model, "rest", STATUS[answer.status_code]] += 1
        return answer

    def call(self, model: str, data: bytes = bytes(8), timeout: float | None = 60):
        message = pb.ModelInferRequest(model_name=model, raw_input_contents=[data])
        message.inputs.add(name="x", datatype="FP32", shape=[1, 2])
        self._asked += 1
        method = self._channels[self._asked % len(self._channels)].unary_unary(INFER)
        return method.future(message.SerializeToString(), timeout=timeout)

    def grpc(self, model: str, data: bytes = bytes(8), timeout: float | None = 60):
        return self.ended(model, self.call(model, data, timeout))

    def answered(self, model: str) -> int:
        return sum(self.counted[model, protocol, "OK"] for protocol in ("rest", "grpc"))

    def ended(self, model: str, call):
        name = call.code().name
        self.counted[model, "grpc", STATUSES.get(name, name)] += 1
        return call


def told(at: Operator) -> Counter[tuple[str, str, str]]:
    """The same of the server's metrics."""
    found: Counter[tuple[str, str, str]] = Counter()
    for sample in samples(at, "underway_requests_total"):
        labels = sample.labels
        outcome = STATUSES.get(labels["outcome"], labels["outcome"])
        if sample.value:
            found[labels["model"], labels["protocol"], outcome] += int(sample.value)
    return found


def samples(at: Operator, name: str, **labels: str):
    text = httpx.get(f"{at.admin_url}/metrics", timeout=60).text
    return [
        sample
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == name and labels.items() <= sample.labels.items()
    ]


@pytest.fixture(scope="module")
def at(tmp_path_factory) -> Iterator[Operator]:
    root = tmp_path_factory.mktemp("models")
    add_echo(root, "plain")
    add_echo(root, "picky", options={"fail_on": "B"})
    add_echo(root, "slow", options={"delay_ms": 1000})
    arguments = (*FAST, "--frontends", "2", "--metrics-compat", "triton", "--metrics-compat",
                 "tf_serving", "--max-message-bytes", "4096")  # fmt: skip
    with serving(root, arguments=arguments) as server:
        yield Operator(server)


@pytest.fixture(scope="module")
def client(at) -> Iterator[Client]:
    """One that has asked for all that can go right or wrong."""
    made = Client(at)
    for _ in range(10):
        made.rest("plain")
        made.grpc("plain")
    made.rest("plain", b"{")
    made.rest("plain", ask([1, 2, 3]))
    made.rest("plain", b" " * 5000)
    made.rest("nobody")
    made.rest("picky", ask([BAD_NUMBER, 1]))
    made.grpc("plain", bytes(7))
    made.grpc("nobody")
    made.grpc("picky", b"B" * 8)
    made.rest("slow", timeout=0.3)
    made.grpc("slow", timeout=0.3)
    # The client is gone, its request may still be being computed.
    until(lambda: at.in_flight("slow") == 0)
    call = made.call("slow")
    until(lambda: at.in_flight("slow") == 1)
    call.cancel()
    made.ended("slow", call)
    until(lambda: at.in_flight("slow") == 0)
    lost = in_background(lambda: made.rest("slow"))
    until(lambda: at.in_flight("slow") == 1)
    (worker,) = at.workers("slow")
    worker.kill()
    assert lost.result(60).status_code == 503
    until(lambda: made.rest("slow").status_code == 200)
    made.grpc("slow")
    yield made
    made.close()


BAD_NUMBER = 48.5649  # as FP32 its bytes are four times 0x42, which is B


def test_counters_are_those_of_the_clients_to_the_request(at, client):
    # Models that do not exist have one name together, since clients can make up any.
    expected = Counter(
        {("_unknown" if key[0] == "nobody" else key[0], *key[1:]): count
         for key, count in client.counted.items()}
    )  # fmt: skip

    assert told(at) == expected
    assert {outcome for _, _, outcome in expected} >= {
        "OK", "INVALID_ARGUMENT", "TOO_LARGE", "NOT_FOUND", "INTERNAL", "UNAVAILABLE", GAVE_UP,
    }  # fmt: skip


def test_the_killed_worker_is_counted_with_what_ended_it(at, client):
    counted = [one for one in samples(at, "underway_worker_restarts_total") if one.value]
    assert [sample.value for sample in counted] == [1]
    (sample,) = counted
    assert (sample.labels["model"], sample.labels["reason"]) == ("slow", "signal")


def test_statistics_and_metrics_have_the_same_sums(at, client):
    stats = at.get("/v2/models/plain/stats").json()["model_stats"][0]["inference_stats"]
    seconds = "underway_request_duration_seconds"
    ok = samples(at, f"{seconds}_sum", model="plain", outcome="OK")
    failed = [one for one in samples(at, f"{seconds}_count", model="plain")
              if one.labels["outcome"] != "OK"]  # fmt: skip

    assert stats["success"]["count"] == client.answered("plain")
    assert stats["success"]["ns"] == pytest.approx(sum(one.value for one in ok) * 1e9, abs=100)
    assert stats["fail"]["count"] == sum(one.value for one in failed)
    for name, stage in (("queue", "queue"), ("compute_input", "assemble"),
                        ("compute_infer", "compute"), ("compute_output", "split")):  # fmt: skip
        sums = samples(at, "underway_stage_duration_seconds_sum", model="plain", stage=stage)
        assert stats[name]["ns"] == pytest.approx(sum(one.value for one in sums) * 1e9, abs=100)


def test_the_stages_of_requests_add_up_to_the_whole(at, client):
    whole = samples(at, "underway_request_duration_seconds_sum", model="plain", outcome="OK")
    stages = samples(at, "underway_stage_duration_seconds_sum", model="plain")

    assert len(stages) == 16
    assert sum(one.value for one in stages) == pytest.approx(sum(one.value for one in whole))


@pytest.mark.skipif(not PROMTOOL.exists(), reason="promtool is not there; `make test` fetches it")
def test_promtool_finds_nothing_to_complain_of(at, client):
    text = httpx.get(f"{at.admin_url}/metrics", timeout=60).text
    ours, others = text.split("# HELP nv_", 1)

    checked = [
        subprocess.run([PROMTOOL, "check", "metrics"], input=part, capture_output=True, text=True,
                       check=False, timeout=60)
        for part in (ours, "# HELP nv_" + others)
    ]  # fmt: skip

    assert (checked[0].returncode, checked[0].stdout, checked[0].stderr) == (0, "", "")
    # Others' names are not how Prometheus would have them, but it can read them.
    assert checked[1].returncode == 3, checked[1].stderr


def test_other_servers_names_tell_the_same(at, client):
    answered = client.answered("plain")

    assert at.metric("nv_inference_request_success", model="plain") == answered
    assert at.metric(":tensorflow:serving:request_count", model_name="plain",
                     status="OK") == answered  # fmt: skip
    # Where TensorFlow Serving has its page, in whichever process answers.
    pages = {at.get("/monitoring/prometheus/metrics").text for _ in range(4)}
    line = f':tensorflow:serving:request_count{{model_name="plain",status="OK"}} {answered}.0\n'
    assert all(line in page and "underway_" not in page for page in pages)


def test_every_answer_tells_its_timings(client):
    over_rest = client.rest("plain").headers["server-timing"]
    over_grpc = dict(client.grpc("plain").trailing_metadata())["server-timing"]

    for text in (over_rest, over_grpc):
        parts = [part.split(";dur=") for part in text.split(", ")]
        told = {name: float(value) for name, value in parts}
        total = told.pop("total")
        assert list(told) == ["decode", "transfer_in", "queue", "assemble", "compute", "split",
                              "transfer_out", "encode"]  # fmt: skip
        assert sum(told.values()) == pytest.approx(total, abs=0.01)


def test_the_overview_tells_the_same_counts_with_states_and_workers(at, client):
    told = httpx.get(f"{at.admin_url}/v2/admin/overview", timeout=60).json()
    models = {model["name"]: model for model in told["models"]}
    (slow,) = models["slow"]["versions"]

    assert list(models) == ["picky", "plain", "slow"]
    assert (slow["state"], slow["default"], slow["runtime"]) == ("READY", True, "echo")
    assert slow["restarts"] == {"signal": 1}
    assert slow["workers"][0]["resident_bytes"] > 0
    counts = {
        (protocol, outcome): durations["count"]
        for protocol, outcomes in models["picky"]["versions"][0]["requests"].items()
        for outcome, durations in outcomes.items()
    }
    assert counts == {("rest", "INTERNAL"): 1, ("grpc", "INTERNAL"): 1}
    assert told["unknown"] == {"rest": {"NOT_FOUND": 1}, "grpc": {"NOT_FOUND": 1}}
    assert len(told["event_loop_lag"]) == 3
