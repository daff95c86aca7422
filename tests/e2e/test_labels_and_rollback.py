"""Labels as names of versions in both protocols, and the way back to the version before."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import grpc
import pytest

from protos import inference_pb2 as pb
from tests.e2e.clients.registry import ALL
from tests.harness.echo_repository import add_echo, rewrite
from tests.harness.onnx_models import save_scaling
from tests.harness.operator import FAST, Operator, until
from tests.harness.server_process import CLIENT_PYTHON, run_client, serving

SERVICE = "/inference.GRPCInferenceService/"
PROGRAM = Path(__file__).with_name("clients") / "labels.py"
BOTH = {"versions": (1, 2), "version_policy": "all"}


@pytest.fixture(scope="module")
def root(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("labelled") / "models"
    add_echo(folder, "named", versions=(1, 2), version_policy="all", labels={"stable": 1})
    return folder


@pytest.fixture(scope="module")
def at(root):
    with serving(root, arguments=FAST) as server:
        yield Operator(server)


@pytest.fixture(scope="module")
def channel(at):
    with grpc.insecure_channel(at.server.grpc_address) as found:
        yield found


@contextmanager
def traffic(at: Operator, model: str, version: str = "") -> Iterator[list[str]]:
    """Requests one after the other; who answered each, or its status where nobody did."""
    answers: list[str] = []
    asker = Operator(at.server)
    over = threading.Event()

    def ask() -> None:
        while not over.is_set():
            answer = asker.infer(model, version)
            good = answer.status_code == 200
            answers.append(answer.json()["model_version"] if good else answer.text)

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    try:
        until(lambda: answers)
        yield answers
    finally:
        over.set()
        thread.join(30)


# ---- labels --------------------------------------------------------------------------------------


@pytest.mark.skipif(not CLIENT_PYTHON.exists(), reason="the clients' environment is missing")
@pytest.mark.parametrize("flavour", ALL)
def test_tritonclient_asks_for_a_label(at, flavour):
    server = at.server
    address = server.url.removeprefix("http://")
    run_client(PROGRAM, flavour, server.grpc_address if flavour.startswith("grpc") else address)


@pytest.mark.parametrize("page", ["", "/ready", "/config", "/stats"])
def test_every_page_of_a_version_is_found_by_its_label(at, page):
    assert at.get(f"/v2/models/named/versions/stable{page}").status_code == 200
    unknown = at.get(f"/v2/models/named/versions/canary{page}")
    assert (unknown.status_code, unknown.json()["error"]) == (
        404,
        "Request for unknown model: 'named' version label canary is not found",
    )


@pytest.mark.parametrize(("version", "answers"), [("stable", "1"), ("", "2"), ("2", "2")])
def test_grpc_takes_a_label_as_a_version(channel, version, answers):
    request = pb.ModelInferRequest(model_name="named", model_version=version)
    request.inputs.add(name="x", datatype="FP32", shape=[1, 2])
    request.raw_input_contents.append(bytes(8))

    call = channel.unary_unary(SERVICE + "ModelInfer")
    answer = call(request.SerializeToString(), timeout=20)

    assert pb.ModelInferResponse.FromString(answer).model_version == answers


def test_a_label_is_moved_in_one_step(at, root):
    add_echo(root, "moved", **BOTH)
    at.until_states("moved", v1="READY", v2="READY")
    assert at.label("moved", {"stable": 1}).json() == {"labels": {"stable": 1}}
    with traffic(at, "moved", "stable") as answers:
        assert at.label("moved", {"stable": 2}).status_code == 200
        until(lambda: "2" in answers)

    assert answers == sorted(answers)  # never back, and never nobody
    assert set(answers) == {"1", "2"}


def test_a_label_is_removed(at, root):
    add_echo(root, "removed", **BOTH)
    at.until_states("removed", v1="READY", v2="READY")
    assert at.label("removed", {"a": 1, "b": 2}).json() == {"labels": {"a": 1, "b": 2}}

    assert at.label("removed", {"a": None}).json() == {"labels": {"b": 2}}

    assert at.infer("removed", "a").status_code == 404
    assert at.labels("removed") == {"b": 2}


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        ({"stable": 9}, "label 'stable' can only point to a READY version of 'named'; 9 is not"),
        ({"1": 1}, "label '1': expected a letter, then letters, digits"),
        ({"a b": 1}, "label 'a b': expected a letter"),
        ({"": 1}, "label '': expected a letter"),
        ({"a": "1"}, "labels.a: expected a version number or null"),
        ({"a": True}, "labels.a: expected a version number or null"),
        ({"a": 0}, "labels.a: expected a version number or null"),
        ({}, "expected {"),
        ([], "expected {"),
    ],
)
def test_labels_that_cannot_be_set_change_nothing(at, labels, words):
    refused = at.label("named", labels)

    assert refused.status_code == 400
    assert words in refused.json()["error"]
    assert at.labels("named") == {"stable": 1}


def test_one_wrong_label_of_several_leaves_all_as_they_were(at):
    assert at.label("named", {"fine": 2, "wrong": 9}).status_code == 400
    assert at.label("named", {"stable": None, "-": 2}).status_code == 400

    assert at.labels("named") == {"stable": 1}


def test_a_label_onto_a_version_that_loads_is_refused(at, root):
    folder = add_echo(root, "loads", options={"load_ms": 3_600_000})
    at.until_states("loads", v1="LOADING")

    refused = at.label("loads", {"stable": 1})

    assert refused.status_code == 400
    assert refused.json()["error"] == (
        "label 'stable' can only point to a READY version of 'loads'; 1 is not one (1 is LOADING)"
    )
    assert at.infer("loads", "stable").status_code == 404
    (folder / "model.yaml").unlink()


def test_a_labelled_version_stays_when_a_newer_one_comes(at, root):
    folder = add_echo(root, "kept", labels={"stable": 1})
    at.until_answers("kept", 1, "stable")

    (folder / "2").mkdir()
    at.until_answers("kept", 2)
    assert at.states("kept") == {"1": "READY", "2": "READY"}
    at.label("kept", {"stable": 2})

    at.until_states("kept", v1="UNAVAILABLE", v2="READY")
    assert at.answers("kept", "stable") == "2"


def test_a_label_of_the_settings_points_on_to_the_old_version_until_the_new_one_is_ready(at, root):
    folder = add_echo(root, "follows", labels={"stable": 1}, options={"load_ms": 600})
    at.until_answers("follows", 1, "stable")
    with traffic(at, "follows", "stable") as answers:
        rewrite(folder, labels={"stable": 2}, options={"load_ms": 600})
        (folder / "2").mkdir()
        until(lambda: "2" in answers)

    assert answers == sorted(answers)
    assert set(answers) == {"1", "2"}


def test_the_command_line_moves_shows_and_removes_labels(at, root):
    add_echo(root, "by-hand", **BOTH)
    at.until_states("by-hand", v1="READY", v2="READY")

    moved = at.underway("label", "by-hand", "stable=1", "canary=2")
    shown = at.underway("label", "by-hand")
    removed = at.underway("label", "by-hand", "canary=")

    assert (moved.exit_code, shown.output) == (0, moved.output)
    assert [line.split()[1::2] for line in shown.output.splitlines() if "│" in line] == [
        ["canary", "2"],
        ["stable", "1"],
    ]
    assert removed.exit_code == 0
    assert at.labels("by-hand") == {"stable": 1}
    refused = at.underway("label", "by-hand", "stable=7")
    assert refused.exit_code == 1
    assert "label 'stable' can only point to a READY version" in refused.output


# ---- rollback ------------------------------------------------------------------------------------


def test_a_previous_version_that_is_kept_takes_over_at_once(at, root):
    folder = add_echo(root, "warm", keep_previous=True)
    at.until_answers("warm", 1)
    (folder / "2").mkdir()
    at.until_answers("warm", 2)
    assert at.states("warm") == {"1": "READY", "2": "READY"}
    with traffic(at, "warm") as answers:
        began = time.perf_counter()
        rolled_back = at.roll_back("warm")
        seconds = time.perf_counter() - began
        assert at.answers("warm") == "1"
        until(lambda: "1" in answers)

    print(f"rollback to a version kept warm: {seconds * 1000:.1f} ms, answered over HTTP")
    assert rolled_back.json() == {"model": "warm", "version": 1}
    assert at.reached("warm", "LOADING") == [1, 2]
    assert answers == sorted(answers, reverse=True)
    assert set(answers) == {"1", "2"}
    at.until_states("warm", v1="READY", v2="UNAVAILABLE")


def test_without_a_kept_one_the_newer_serves_until_the_older_is_ready(at, root):
    folder = add_echo(root, "cold", options={"load_ms": 600})
    at.until_answers("cold", 1)
    (folder / "2").mkdir()
    at.until_states("cold", v1="UNAVAILABLE", v2="READY")
    with traffic(at, "cold") as answers:
        assert at.roll_back("cold").json()["version"] == 1
        assert at.answers("cold") == "1"
        until(lambda: "1" in answers)

    assert answers == sorted(answers, reverse=True)
    assert set(answers) == {"1", "2"}
    at.until_states("cold", v1="READY", v2="UNAVAILABLE")
    loading = [entry for entry in at.history("cold") if entry["target"] == "LOADING"]
    assert (loading[-1]["version"], loading[-1]["cause"]) == (1, "api")


def test_what_was_rolled_back_stays_away_until_a_newer_version_comes(at, root):
    folder = add_echo(root, "regretted", versions=(1, 2))
    at.until_answers("regretted", 2)
    at.roll_back("regretted")
    at.until_states("regretted", v1="READY", v2="UNAVAILABLE")

    at.until_looked(root)
    assert (at.answers("regretted"), at.reached("regretted", "LOADING")) == ("1", [2, 1])
    (folder / "3").mkdir()

    at.until_answers("regretted", 3)


def test_labels_go_along_with_a_rollback(at, root):
    add_echo(root, "led", versions=(1, 2), labels={"stable": 2})
    at.until_answers("led", 2, "stable")

    at.roll_back("led")

    assert at.answers("led", "stable") == "1"
    assert at.labels("led") == {"stable": 1}


def test_two_rollbacks_go_two_versions_back(at, root):
    add_echo(root, "steps", versions=(1, 2, 3), version_policy="all")
    at.until_states("steps", v1="READY", v2="READY", v3="READY")

    assert [at.roll_back("steps").json()["version"] for _ in range(2)] == [2, 1]

    at.until_states("steps", v1="READY", v2="UNAVAILABLE", v3="UNAVAILABLE")


def test_a_rollback_to_nothing_is_refused_and_changes_nothing(at, root):
    add_echo(root, "only")
    at.until_answers("only", 1)

    refused = at.roll_back("only")

    assert refused.status_code == 400
    assert refused.json()["error"] == "'only' has no version before 1 to roll back to"
    assert at.answers("only") == "1"
    unknown = at.roll_back("nobody")
    assert unknown.status_code == 404
    assert unknown.json()["error"] == "Request for unknown model: 'nobody' is not found"


def test_a_rollback_to_a_version_that_does_not_load_leaves_the_newer_one_serving(at, root):
    save_scaling(root / "stuck/1", 1).write_bytes(b"no model at all")
    save_scaling(root / "stuck/2", 2)
    at.until_answers("stuck", 2)

    refused = at.roll_back("stuck")

    assert refused.status_code == 400
    assert refused.json()["error"].startswith("load failed for model 'stuck': ")
    assert at.answers("stuck") == "2"


def test_the_command_line_rolls_back(at, root):
    add_echo(root, "by-command", versions=(1, 2))
    at.until_answers("by-command", 2)

    assert at.underway("rollback", "by-command").output == "by-command is back at version 1\n"

    assert at.answers("by-command") == "1"
    assert at.underway("rollback", "by-command").exit_code == 1


# ---- history -------------------------------------------------------------------------------------


def test_the_history_tells_who_asked_what_happened_and_how_long_it_took(at, root):
    add_echo(root, "told", versions=(1, 2))
    at.until_answers("told", 2)
    at.roll_back("told")
    at.until_states("told", v1="READY", v2="UNAVAILABLE")

    entries = at.history("told")
    found = [
        (entry["version"], entry["source"], entry["target"], entry["cause"]) for entry in entries
    ]
    assert found == [
        (2, "NEW", "LOADING", "repository"),
        (2, "LOADING", "WARMING", "repository"),
        (2, "WARMING", "READY", "repository"),
        (1, "NEW", "LOADING", "api"),
        (1, "LOADING", "WARMING", "api"),
        (1, "WARMING", "READY", "api"),
        (2, "READY", "DRAINING", "api"),
        (2, "DRAINING", "UNLOADING", "api"),
        (2, "UNLOADING", "ENDED", "api"),
    ]
    assert [entry["time"] for entry in entries] == sorted(entry["time"] for entry in entries)
    assert all(entry["seconds"] >= 0 for entry in entries)
    assert at.history("told", limit=2) == entries[-2:]
    assert at.history("told", limit=0) == []
    assert len(at.history(limit=1)) == 1
    assert at.history("nobody") == []
    shown = at.underway("history", "told", "--limit", "3").output
    assert shown.count("told") == 3


def test_metrics_tell_states_and_phases(at, root):
    add_echo(root, "measured", versions=(1, 2))
    at.until_answers("measured", 2)
    at.roll_back("measured")
    at.until_states("measured", v1="READY", v2="UNAVAILABLE")

    state = "underway_model_version_state"
    assert at.metric(state, model="measured", version="1", state="READY") == 1
    assert at.metric(state, model="measured", version="2", state="READY") == 0
    phases = "underway_swap_phase_seconds_count"
    counts = [at.metric(phases, model="measured", phase=p) for p in ("load", "warm_up", "unload")]
    assert counts == [2, 2, 1]
    assert at.metric("underway_load_failures_total", model="measured") == 0
