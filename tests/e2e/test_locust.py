"""Locust's users against a real server: every protocol, shape and its page; and a wrong answer."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import onnx
import pytest
from onnx import numpy_helper

from loadtests.compare.ask import ask
from loadtests.compare.places import Place
from loadtests.compare.spec import Candidate
from loadtests.generator.process import run
from loadtests.generator.target import plan_for
from loadtests.samples.discover import DiscoveryError, discover
from server.repository.publish import publish
from tests.harness.children import ended
from tests.harness.echo_repository import add_echo
from tests.harness.locust_page import locust_page
from tests.harness.operator import until
from tests.harness.server_process import ROOT, ServerProcess, serving
from tests.harness.tls_proxy import tls_before
from tests.harness.tokens import TOKENS, write_access

pytestmark = pytest.mark.slow

LOCUSTFILE = ROOT / "loadtests/locustfile.py"
MODEL = "digits-onnx"
SLOW = "slow"  # answers one at a time
LIMITED = 3  # its exit code where the generator was the limit: so it may be on a busy machine
PROTOCOLS = {"OIP REST", "OIP JSON", "OIP gRPC", "TFS REST", "TFS gRPC"}


@pytest.fixture(scope="module")
def repository(demo_repository, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("locust") / "models"
    shutil.copytree(demo_repository / MODEL, folder / MODEL)
    (folder / MODEL / "model.yaml").write_text("threads: 1\n")
    add_echo(folder, SLOW, options={"delay_ms": 50})
    return folder


@pytest.fixture(scope="module")
def server(repository) -> Iterator[ServerProcess]:
    with serving(repository) as started:
        yield started


def locust(
    server: ServerProcess, *arguments: str, environment: dict[str, str] | None = None
) -> subprocess.Popen[str]:
    """Locust without its page, started from elsewhere, its statistics as JSON on stdout."""
    return subprocess.Popen(
        [sys.executable, "-m", "locust", "-f", str(LOCUSTFILE), "--headless", "--json",
         "--host", server.url, "--grpc-address", server.grpc_address, "--models", MODEL,
         *arguments],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd="/",
        env={**os.environ, **(environment or {})},
    )  # fmt: skip


def statistics(output: str) -> list[dict[str, object]]:
    """What the master prints; processes that only send print empty lists before it."""
    return json.loads(output[output.rindex("[\n") :])


def test_every_protocol_is_answered_right_while_versions_are_swapped(server, repository):
    running = locust(
        server, "-u", "6", "-r", "6", "-t", "4s", "--processes", "2", "--loop", "poisson",
        "--rate-per-user", "8", "--shape", "swap", "--swap", str(repository / MODEL),
        "--swap-every", "1.5",
    )  # fmt: skip
    output, log = ended(running, 100)

    assert running.returncode in (0, LIMITED), log
    found = {row["method"]: row for row in statistics(output)}
    assert found.keys() == PROTOCOLS
    for row in found.values():
        assert (row["name"], row["num_failures"]) == (MODEL, 0)
        assert row["num_requests"] > 10
    assert "Published version 2 of digits-onnx" in log
    limited = running.returncode == LIMITED
    assert ("The generator itself was the limit" in log) == limited
    assert ("The generator was not the limit" in log) != limited


def users_over_time(log: str) -> list[int]:
    """The numbers of users that there really were, one after the other."""
    found = [int(count) for count in re.findall(r"All users spawned: .*\((\d+) total users\)", log)]
    return [count for before, count in pairwise([0, *found]) if count != before]


@pytest.fixture(scope="module")
def shaped(server, tmp_path_factory) -> dict[str, tuple[list[dict[str, object]], str]]:
    """Statistics and log of three shapes; that with steps is over TLS."""
    calm = ("--loop", "constant", "--rate-per-user", "4", "-t", "9s")
    with tls_before(server, tmp_path_factory.mktemp("tls")) as tls:
        secure = ("--host", tls.rest, "--grpc-address", tls.grpc.removeprefix("grpcs://"))
        running = {
            "steps": locust(server, "--shape", "steps", "-u", "5", *calm, *secure,
                            environment={"SSL_CERT_FILE": str(tls.ca_file)}),
            "spike": locust(server, "--shape", "spike", "-u", "10", *calm),
            "ramp": locust(server, "--shape", "ramp", "-u", "40", "-t", "20s", "--models", SLOW,
                           "--latency-limit", "400", "OipRest"),
        }  # fmt: skip
        try:
            said = {shape: ended(one, 150) for shape, one in running.items()}
        finally:
            for one in running.values():
                one.kill()
    for shape, (_, log) in said.items():
        assert running[shape].returncode in (0, LIMITED), log
    return {shape: (statistics(output), log) for shape, (output, log) in said.items()}


def test_users_come_and_go_as_the_shape_says(shaped):
    for rows, _ in shaped.values():
        assert sum(row["num_requests"] for row in rows) > 20
        assert {row["num_failures"] for row in rows} == {0}
    users = {shape: users_over_time(log) for shape, (_, log) in shaped.items()}
    assert users["steps"] == [1, 2, 3, 4, 5]
    assert users["spike"] == [2, 10, 2]
    assert users["ramp"] == sorted(users["ramp"])
    assert len(users["ramp"]) > 3
    # Nine that wait for each other take 450 ms, so 40 are never reached.
    end = re.search(
        r"Saturated with (\d+) users .* p95 was \d+ ms, above 400 ms", shaped["ramp"][1]
    )
    assert end is not None
    assert int(end[1]) == users["ramp"][-1] < 40


def test_every_protocol_is_answered_right_over_tls(shaped):
    rows, _ = shaped["steps"]

    assert {row["method"] for row in rows if row["num_requests"] > 0} == PROTOCOLS


def test_a_server_that_wants_a_token_is_shown_it_over_every_protocol(repository, tmp_path):
    access = write_access(tmp_path / "access.yaml")
    with serving(repository, arguments=("--access-file", str(access))) as server:
        running = locust(
            server, "-u", "10", "-r", "10", "-t", "5s", "--loop", "constant",
            environment={"UNDERWAY_TOKEN": TOKENS["infer"]},
        )  # fmt: skip
        output, log = ended(running, 100)
        found = {row["method"]: row["num_failures"] for row in statistics(output)}
        assert found == dict.fromkeys(PROTOCOLS, 0), log

        with pytest.raises(DiscoveryError, match=r"wants a token: put one .* into UNDERWAY_TOKEN"):
            discover(server.url)


def test_a_load_is_chosen_started_watched_and_stopped_on_locusts_page(server):
    before = server.metric("underway_requests_total", model=MODEL)
    with locust_page(
        LOCUSTFILE, "--host", server.url, "--grpc-address", server.grpc_address
    ) as shown:
        shown.fill(userCount="1", spawnRate="1", shape="swap")
        shown.press("Start")
        shown.until_status("stopped")  # there is nothing to publish, and the page is still there
        shown.press("New")
        shown.fill(
            userCount="5", spawnRate="5", models=MODEL, shape="soak", loop="constant",
            ratePerUser="8",
        )  # fmt: skip
        shown.press("Start")
        shown.until_status("running")
        until(lambda: min(shown.counts().get(name, (0, 0))[0] for name in PROTOCOLS) > 5)
        shown.press("Stop")
        shown.until_status("stopped")
        until(lambda: shown.counts()["Aggregated"][0] == total(shown.counts()))
        found = shown.counts()

    assert found.keys() == {*PROTOCOLS, "Aggregated"}
    assert {failures for _, failures in found.values()} == {0}
    counted = server.metric("underway_requests_total", model=MODEL) - before
    assert counted >= total(found)  # and what was asked to know what to ask
    assert [url for url in shown.asked if not url.startswith(shown.origin)] == []
    assert shown.complaints == []


def total(counts: dict[str, tuple[int, int]]) -> int:
    """Requests of all protocols."""
    return sum(counts[name][0] for name in PROTOCOLS)


def test_both_services_over_grpc_are_asked_by_the_generator_and_by_a_comparison(server):
    (model,) = discover(server.url, [MODEL])
    said = {}
    for protocol in ("grpc", "tfs-grpc"):
        plan = plan_for(
            server.grpc_address, protocol, MODEL, model.samples, seconds=1, concurrency=2
        )  # fmt: skip
        records = run(plan)
        candidate = Candidate(name="c", model=MODEL)
        place = Place(candidate, protocol, server.grpc_address, MODEL, server.url, 0, {})
        said[protocol], _ = ask(place, model.samples, model.signature)

        assert records.failures == ()
        assert (records.table["version"] > 0).all()
        assert len(records.table) > 0
    for sample, answer in zip(model.samples, said["tfs-grpc"], strict=True):
        assert sample.check(answer) == ""
    for ours, theirs in zip(said["grpc"], said["tfs-grpc"], strict=True):
        assert ours.keys() == theirs.keys()
        assert all((ours[name] == theirs[name]).all() for name in ours)


def test_a_version_that_answers_wrong_is_caught(demo_repository, tmp_path):
    model = tmp_path / "models" / MODEL
    shutil.copytree(demo_repository / MODEL, model)
    with serving(model.parent) as server:
        running = locust(server, "-u", "2", "OipRest", "TfServingGrpc")
        try:
            said = []
            while not said or "All users spawned" not in said[-1]:
                said.append(running.stderr.readline())
                assert said[-1], f"it ended: {said}"
            server.forget()
            version = publish(upside_down(model / "1/model.onnx", tmp_path), model)
            server.wait_for("ready", model=MODEL, version=version)
            server.wait_for("unloaded", model=MODEL)  # who asked the old one has its answer
            running.send_signal(signal.SIGINT)
            output, log = ended(running, 60)
        finally:
            running.kill()

    assert running.returncode == 1, log
    assert "wrong digits: expected" in log
    assert sum(row["num_failures"] for row in statistics(output)) > 0


def upside_down(source: Path, folder: Path) -> Path:
    """The same network with its classes in the opposite order."""
    model = onnx.load(source)
    for weight in model.graph.initializer:
        if weight.name in ("dense2", "dense2_bias"):
            turned = numpy_helper.to_array(weight)[::-1].copy()
            weight.CopyFrom(numpy_helper.from_array(turned, weight.name))
    path = folder / "model.onnx"
    onnx.save_model(model, str(path))
    return path


def test_a_server_that_is_not_there_is_a_failure_that_says_so(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "locust", "-f", str(LOCUSTFILE), "--headless", "--only-summary",
         "--host", "http://127.0.0.1:9", "-t", "2s", "-u", "5", "-r", "5"],
        capture_output=True, text=True, cwd=tmp_path, check=False, timeout=60,
    )  # fmt: skip

    assert done.returncode == 1
    said = done.stdout + done.stderr
    assert "http://127.0.0.1:9 can't be asked for its models" in said
    assert "does not speak TensorFlow Serving's API" in said
    assert "OIP gRPC" in said
    assert "TFS" not in said  # its users are left out where none are named


CHECK = """
import runpy, shlex, sys
from locust.argument_parser import get_parser, parse_options
names = set(runpy.run_path(sys.argv[1])["__all__"])
for line in sys.stdin:
    options = parse_options(shlex.split(line)[1:])
    assert set(options.user_classes) <= names, line
ours = [group for group in get_parser()._action_groups if group.title == "Underway"]
for action in ours[0]._group_actions:
    print("option", action.option_strings[0], action.env_var, action.default)
"""


def test_the_documentation_has_every_option_and_commands_that_locust_takes():
    text = (ROOT / "docs/load-testing.md").read_text("utf-8")
    commands = [line for line in text.splitlines() if line.startswith("    locust -f ")]
    done = subprocess.run(
        [sys.executable, "-c", CHECK, str(LOCUSTFILE)],
        input="\n".join(line.strip() for line in commands), capture_output=True, text=True,
        cwd=ROOT, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr

    table = [line.strip("|").split("|") for line in text.splitlines() if line.startswith("| `--")]
    documented = {tuple(cell.strip(" `") for cell in row[:3]) for row in table if len(row) == 4}
    assert len(commands) == 6
    said = [line.split(" ", 3) for line in done.stdout.splitlines() if line.startswith("option ")]
    assert documented == {tuple(words[1:]) for words in said}
