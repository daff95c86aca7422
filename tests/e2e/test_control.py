"""Explicit model control: models are loaded and unloaded by calls, and by nothing else."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.e2e.clients.registry import ALL
from tests.harness.echo_repository import add_echo, rewrite
from tests.harness.onnx_models import save_scaling
from tests.harness.operator import FAST, Operator, in_background, until
from tests.harness.server_process import CLIENT_PYTHON, ServerProcess, run_client, serving

EXPLICIT = (*FAST, "--model-control", "explicit")
PROGRAM = Path(__file__).with_name("clients") / "control.py"


@pytest.fixture(scope="module")
def root(tmp_path_factory, frontends) -> Path:
    folder = tmp_path_factory.mktemp("controlled") / "models"
    save_scaling(folder / "one/1", 2)
    add_echo(folder, "broken", options={"fail_load": "this one is out of order"})
    return folder


@pytest.fixture(scope="module")
def at(root, frontends):
    arguments = (*EXPLICIT, *frontends, "--load-retry-delay", "3600")
    with serving(root, arguments=arguments) as server:
        yield Operator(server)


# ---- the protocol's calls ------------------------------------------------------------------------


@pytest.mark.skipif(not CLIENT_PYTHON.exists(), reason="the clients' environment is missing")
@pytest.mark.parametrize("flavour", ALL)
def test_tritonclient_loads_and_unloads(at, flavour):
    server = at.server
    grpc = flavour.startswith("grpc")
    address = server.grpc_address if grpc else server.url.removeprefix("http://")

    run_client(PROGRAM, flavour, address)

    assert at.history("one")[-1]["target"] == "ENDED"


def test_a_load_call_takes_up_what_is_new_and_no_look_at_the_repository_does(at, root):
    folder = add_echo(root, "stepwise")
    assert at.load("stepwise").status_code == 200
    assert at.answers("stepwise") == "1"
    (folder / "2").mkdir()
    add_echo(root, "another")
    # This call looks at the whole repository.
    assert at.load("another").status_code == 200
    assert (at.answers("stepwise"), at.states("stepwise")) == ("1", {"1": "READY"})

    assert at.load("stepwise").status_code == 200

    assert at.answers("stepwise") == "2"


def test_a_load_call_right_after_a_copy_waits_until_that_is_quiet(at, root):
    save_scaling(root / "just-now/1", 2)
    assert at.load("just-now").status_code == 200
    save_scaling(root / "just-now/2", 3)

    assert at.load("just-now").status_code == 200

    assert at.answers("just-now") == "2"


def test_a_load_call_answers_only_once_the_model_does(at, root):
    add_echo(root, "leisurely", options={"load_ms": 700})

    assert at.load("leisurely").status_code == 200

    assert at.answers("leisurely") == "1"


def test_many_load_calls_at_once_give_one_load(at, root):
    add_echo(root, "wanted", options={"load_ms": 500})

    calls = [in_background(lambda: at.load("wanted")) for _ in range(50)]

    assert {call.result(60).status_code for call in calls} == {200}
    assert at.reached("wanted", "LOADING") == [1]


def test_a_failed_load_is_refused_with_its_reason_and_the_old_version_serves(at, root):
    folder = add_echo(root, "declines")
    assert at.load("declines").status_code == 200
    rewrite(folder, options={"fail_load": "not today"})

    refused = at.load("declines")

    assert refused.status_code == 400
    assert refused.json()["error"].startswith("load failed for model 'declines': not today")
    assert (at.answers("declines"), at.states("declines")) == ("1", {"1": "READY"})


def test_a_load_call_brings_back_what_was_rolled_back(at, root):
    add_echo(root, "forgiven", versions=(1, 2))
    at.load("forgiven")
    at.roll_back("forgiven")
    assert at.answers("forgiven") == "1"

    assert at.load("forgiven").status_code == 200

    assert at.answers("forgiven") == "2"


def test_unload_waits_for_the_requests_in_flight_and_the_workers_end(at, root):
    add_echo(root, "busy", options={"delay_ms": 3000})
    at.load("busy")
    assert len(at.workers("busy")) == 1
    last = in_background(lambda: at.infer("busy"))
    until(lambda: at.in_flight("busy") == 1)

    assert at.unload("busy").status_code == 200

    # Answered before the unload was; the thread that asked may hear of it a moment later.
    assert last.result(10).status_code == 200
    assert at.states("busy") == {"1": "UNAVAILABLE"}
    assert at.workers("busy") == []
    assert at.infer("busy").status_code == 503
    at.load("busy")
    assert at.infer("busy").status_code == 200


def test_one_models_slow_drain_delays_no_other(at, root):
    add_echo(root, "slow-drain", options={"delay_ms": 4000})
    add_echo(root, "neighbour")
    at.load("slow-drain")
    at.load("neighbour")
    last = in_background(lambda: at.infer("slow-drain"))
    until(lambda: at.in_flight("slow-drain") == 1)
    unload = in_background(lambda: at.unload("slow-drain"))
    at.until_states("slow-drain", v1="UNLOADING")

    assert at.unload("neighbour").status_code == 200
    assert at.load("neighbour").status_code == 200

    assert not last.done()
    assert last.result(30).status_code == unload.result(30).status_code == 200


def test_a_model_whose_folder_is_gone_cannot_be_loaded_and_can_be_unloaded(at, root):
    folder = add_echo(root, "withdrawn")
    at.load("withdrawn")
    shutil.rmtree(folder)

    refused = at.load("withdrawn")

    assert refused.status_code == 400
    assert refused.json()["error"] == (
        "load failed for model 'withdrawn': no model repository holds it"
    )
    assert at.answers("withdrawn") == "1"
    assert at.unload("withdrawn").status_code == 200
    assert at.infer("withdrawn").status_code == 503


# ---- the command line and the start --------------------------------------------------------------


def test_the_command_line_loads_and_unloads(at, root):
    add_echo(root, "by-hand")

    assert at.underway("load", "by-hand").output == "by-hand is loaded\n"
    assert at.answers("by-hand") == "1"
    assert at.underway("unload", "by-hand").output == "by-hand is unloaded\n"
    assert at.infer("by-hand").status_code == 503
    failed = at.underway("load", "broken")
    assert failed.exit_code == 1
    assert failed.output.startswith("Error: load failed for model 'broken': this one is out of")


def test_nothing_is_loaded_at_the_start_and_the_server_is_ready(root):
    with serving(root, arguments=EXPLICIT) as server:
        at = Operator(server)

        assert at.get("/v2/health/ready").status_code == 200
        assert at.history() == []
        assert at.states("one") == {"": "UNAVAILABLE"}
        assert at.infer("one").status_code == 404


def test_only_the_models_named_are_loaded_at_the_start(root):
    named = ("--load-model", "one")
    with serving(root, arguments=(*EXPLICIT, *named)) as server:
        at = Operator(server)

        assert at.states("one") == {"1": "READY"}
        assert at.history()[0]["cause"] == "--load-model"
        assert {entry["model"] for entry in at.history()} == {"one"}


def test_a_star_loads_all_models_at_the_start(tmp_path):
    add_echo(tmp_path, "first")
    add_echo(tmp_path, "second", versions=(1, 2))
    with serving(tmp_path, arguments=(*EXPLICIT, "--load-model", "*")) as server:
        at = Operator(server)

        assert (at.answers("first"), at.answers("second")) == ("1", "2")


def test_an_unknown_model_to_load_at_the_start_ends_the_server_with_the_reason(tmp_path):
    server = ServerProcess("--model-repository", str(tmp_path), *EXPLICIT, "--load-model", "nobody")

    with pytest.raises(RuntimeError, match="load-model: load failed for model 'nobody'"):
        server.wait_for("all models settled")

    assert server.process.wait(20) == 2


def test_without_explicit_control_load_and_unload_say_that_it_is_off(tmp_path):
    add_echo(tmp_path, "followed")
    with serving(tmp_path, arguments=FAST) as server:
        at = Operator(server)
        for refused in (at.load("followed"), at.unload("followed")):
            assert refused.status_code == 501
            assert "the server runs with --model-control poll" in refused.json()["error"]
        told = at.underway("unload", "followed")
        assert told.exit_code == 1
        assert "--model-control explicit" in told.output
        assert at.answers("followed") == "1"
