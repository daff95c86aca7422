"""A real Prometheus scrapes a server under load that has a swap, a failed swap and a dead worker:
every query of the dashboards and every alert finds its data, and alerts fire.
"""

from __future__ import annotations

import contextlib
import re
import threading
from collections.abc import Iterator
from pathlib import Path

import grpc
import httpx
import pytest
import trustme
import yaml

from protos import inference_pb2 as pb
from tests.harness.boards import FILES, board, expressions
from tests.harness.echo_repository import add_echo, ask
from tests.harness.onnx_models import save_scaling
from tests.harness.operator import FAST, Operator, until
from tests.harness.prometheus import PROMETHEUS, RULES, Prometheus, scraping
from tests.harness.server_process import serving
from tests.harness.tls import Secret
from tests.harness.tokens import TOKENS, write_access

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not PROMETHEUS.exists(), reason="Prometheus is not there; `make test` fetches it"
    ),
]

INFER = "/inference.GRPCInferenceService/ModelInfer"
BAD, DEADLY = 48.5649, 12.078  # as FP32 four times 0x42, and four times 0x41: B and A
ASKED = ("plain over REST", "plain over gRPC", "doubling", "picky", "nobody")
CHOSEN = {
    "$__rate_interval": "15s", "$__range": "5m", "$instance": ".*", "$model": ".*",
    "$version": ".*", "$runtime": ".*", "$gpu": ".*",
}  # fmt: skip
QUERIES = [(*one, path.stem) for path in FILES for one in expressions(board(path))]


class Load:
    """A client that asks for everything over and over, gently, until it is told to stop."""

    def __init__(self, at: Operator) -> None:
        self._at = at
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._ask, daemon=True)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join(60)

    def _ask(self) -> None:
        url = self._at.server.url
        message = pb.ModelInferRequest(model_name="plain", raw_input_contents=[bytes(8)])
        message.inputs.add(name="x", datatype="FP32", shape=[1, 2])
        with (
            httpx.Client(timeout=60) as rest,
            grpc.insecure_channel(self._at.server.grpc_address) as channel,
        ):
            call = channel.unary_unary(INFER)
            while not self._over.wait(0.05):
                call(message.SerializeToString(), timeout=60)
                rest.post(f"{url}/v2/models/plain/infer", json=ask([1, 2]))
                rest.post(f"{url}/v2/models/doubling/infer", json=ask([1, 2, 3, 4], 2))
                rest.post(f"{url}/v2/models/picky/infer", json=ask([BAD, 1]))
                rest.post(f"{url}/v2/models/nobody/infer", json=ask([1, 2]))


@contextlib.contextmanager
def guarded(folder: Path) -> Iterator[dict[str, object]]:
    """A server with a certificate that wants a token, and how Prometheus is told to scrape it."""
    authority, secret = trustme.CA(), Secret(folder / "tls")
    secret.issue(authority)
    authority.cert_pem.write_to_path(str(folder / "ca.pem"))
    (folder / "token").write_text(TOKENS["metrics"])
    access = write_access(folder / "access.yaml")
    (folder / "models").mkdir()
    with serving(
        folder / "models", arguments=("--access-file", str(access), *secret.flags)
    ) as server:
        stranger = httpx.get(f"https://127.0.0.1:{server.http_port}/v2", verify=False)
        assert stranger.status_code == 401
        yield {
            "job_name": "underway-guarded",
            "scheme": "https",
            "tls_config": {"ca_file": str(folder / "ca.pem")},
            "authorization": {"credentials_file": str(folder / "token")},
            "static_configs": [{"targets": [f"127.0.0.1:{server.metrics_port}"]}],
        }


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory) -> Iterator[Prometheus]:
    """Looked at a server while all that can be seen happened; the load is still on."""
    root = tmp_path_factory.mktemp("models")
    plain = add_echo(root, "plain", batching={"allowed_batch_sizes": [2, 4]}, max_batch_size=4)
    add_echo(root, "picky", options={"fail_on": "B"})
    add_echo(root, "fragile", options={"crash_on": "A"})
    doubling = root / "doubling"
    save_scaling(doubling / "1", 2)
    folder = tmp_path_factory.mktemp("prometheus")
    with (
        serving(root, arguments=FAST) as server,
        guarded(tmp_path_factory.mktemp("guarded")) as other,
    ):
        at = Operator(server)
        with scraping(f"127.0.0.1:{server.metrics_port}", folder, other) as made, Load(at):
            until(lambda: len(made.values("underway_requests_total > 3")) >= len(ASKED))
            (plain / "2").mkdir()
            at.until_answers("plain", 2)
            assert at.infer("fragile", row=[DEADLY, 1]).status_code == 503
            (doubling / "2").mkdir()
            (doubling / "2/model.onnx").write_bytes(b"no model")
            until(lambda: ("UnderwayLoadFailed", "doubling") in made.firing())
            until(lambda: made.values("underway_tls_certificate_expiry_timestamp_seconds"))
            until(lambda: made.values("underway_refused_calls_total > 0"))
            made.freeze()
            yield made


def test_alerts_fire_for_what_happened_and_not_for_what_did_not(prometheus):
    expected = {
        ("UnderwayLoadFailed", "doubling"),
        ("UnderwayWorkerReplaced", "fragile"),
        ("UnderwayErrors", "picky"),
    }

    until(lambda: expected <= prometheus.firing())

    # A machine that is busy for long may answer no scrape in time, but not for ever.
    until(lambda: "UnderwayDown" not in {name for name, _ in prometheus.firing()})
    names = {name for name, _ in prometheus.firing()}
    assert not names & {
        "UnderwayMissing", "UnderwayNoReadyVersion", "UnderwayWorkerHung",
        "UnderwayFrontendReplaced", "UnderwayVersionChangedInPlace", "UnderwayRejecting",
    }  # fmt: skip


def test_a_server_with_a_certificate_and_tokens_is_scraped_as_the_docs_say(prometheus):
    assert prometheus.values('up{job="underway-guarded"}') == [1]


def test_every_rule_can_be_evaluated(prometheus):
    rules = [rule for group in prometheus.get("rules")["groups"] for rule in group["rules"]]

    assert len(rules) == sum(
        len(group["rules"]) for group in yaml.safe_load(RULES.read_text())["groups"]
    )
    assert [rule for rule in rules if rule["health"] != "ok"] == []


def test_everything_that_rules_look_at_is_there(prometheus):
    selectors = {
        selector
        for group in yaml.safe_load(RULES.read_text())["groups"]
        for rule in group["rules"]
        for selector in re.findall(r"(?:\bup\b|\bunderway[\w:]+)(?:\{[^}]*\})?", rule["expr"])
    }

    assert len(selectors) > 20
    missing = {one for one in selectors if not prometheus.values(f"last_over_time({one}[5m])")}
    assert {one for one in missing if "gpu" not in one} == set()


@pytest.mark.parametrize(("place", "expression", "uid"), QUERIES, ids=[one[0] for one in QUERIES])
def test_every_query_of_a_dashboard_has_data(prometheus, place, expression, uid):
    for variable, value in CHOSEN.items():
        expression = expression.replace(variable, value)
    assert "$" not in expression

    found = prometheus.values(expression)

    # A machine without a GPU has nothing to show on that dashboard, but it can be asked.
    has_gpu = bool(prometheus.values("underway_gpu_memory_total_bytes"))
    assert found or (uid == "underway-gpus" and not has_gpu)
