"""A server follows its repository: what is put there, taken away or changed, without a restart."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.harness.echo_repository import add_echo, put, rewrite
from tests.harness.operator import FAST, Operator, in_background, until
from tests.harness.server_process import serving


@pytest.fixture(scope="module")
def root(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("watched") / "models"
    folder.mkdir()
    return folder


@pytest.fixture(scope="module")
def at(root):
    """One server for all tests here; each puts models of its own into the repository."""
    with serving(root, arguments=FAST) as server:
        yield Operator(server)


# ---- models and versions that come and go --------------------------------------------------------


def test_a_new_model_is_served(at, root):
    assert at.infer("fresh").status_code == 404

    add_echo(root, "fresh", versions=(3,))

    at.until_answers("fresh", 3)
    assert at.get("/v2/models/fresh/ready").status_code == 200
    assert [entry["cause"] for entry in at.history("fresh")] == ["repository"] * 3


def test_a_new_version_takes_over_and_the_old_one_goes(at, root):
    folder = add_echo(root, "grows")
    at.until_answers("grows", 1)

    (folder / "2").mkdir()

    at.until_answers("grows", 2)
    at.until_states("grows", v1="UNAVAILABLE", v2="READY")
    assert at.infer("grows", "1").status_code == 404
    order = [(entry["version"], entry["target"]) for entry in at.history("grows")]
    assert order.index((2, "READY")) < order.index((1, "DRAINING"))


def test_a_removed_version_is_unloaded(at, root):
    folder = add_echo(root, "both", versions=(1, 2), version_policy="all")
    at.until_states("both", v1="READY", v2="READY")

    shutil.rmtree(folder / "2")

    at.until_states("both", v1="READY", v2="UNAVAILABLE")
    assert at.answers("both") == "1"
    assert at.infer("both", "2").status_code == 404


def test_the_version_before_is_loaded_again_when_the_newest_is_removed(at, root):
    folder = add_echo(root, "falls-back", versions=(1, 2))
    at.until_answers("falls-back", 2)
    assert at.states("falls-back") == {"2": "READY"}

    shutil.rmtree(folder / "2")

    at.until_answers("falls-back", 1)
    order = [(entry["version"], entry["target"]) for entry in at.history("falls-back")]
    assert order.index((1, "READY")) < order.index((2, "DRAINING"))


def test_a_removed_model_is_unloaded_and_may_come_back(at, root):
    folder = add_echo(root, "comes-and-goes")
    at.until_answers("comes-and-goes", 1)

    shutil.rmtree(folder)

    at.until_states("comes-and-goes")  # of no version at all
    assert at.infer("comes-and-goes").status_code == 404
    assert at.get("/v2/models/comes-and-goes/ready").status_code == 404
    assert at.history("comes-and-goes")[-1]["target"] == "ENDED"
    add_echo(root, "comes-and-goes")
    at.until_answers("comes-and-goes", 1)


def test_a_version_removed_while_a_request_is_in_it_answers_that_request(at, root):
    folder = add_echo(root, "leaves", options={"delay_ms": 1500})
    at.until_answers("leaves", 1)
    last = in_background(lambda: at.infer("leaves"))
    until(lambda: at.in_flight("leaves") == 1)

    shutil.rmtree(folder)

    at.until_states("leaves", v1="UNLOADING")
    assert at.infer("leaves").status_code == 503
    assert last.result(30).status_code == 200
    at.until_states("leaves")
    assert at.infer("leaves").status_code == 404


# ---- settings ------------------------------------------------------------------------------------


def test_changed_settings_are_taken_up_by_a_new_worker_before_the_old_one_goes(at, root):
    folder = add_echo(root, "resized", max_batch_size=2)
    at.until_answers("resized", 1)
    assert at.infer("resized", row=[1.0] * 6).status_code == 400

    rewrite(folder, max_batch_size=3)

    until(lambda: at.get("/v2/models/resized/config").json()["max_batch_size"] == 3)
    assert at.infer("resized", row=[1.0] * 6).status_code == 200
    targets = [entry["target"] for entry in at.history("resized")]
    assert targets.index("READY", targets.index("READY") + 1) < targets.index("DRAINING")


def test_a_changed_version_policy_is_taken_up_without_loading_again_what_serves(at, root):
    folder = add_echo(root, "policy", versions=(1, 2, 3))
    at.until_answers("policy", 3)

    rewrite(folder, version_policy={"specific": [1, 3]})
    at.until_states("policy", v1="READY", v3="READY")
    rewrite(folder, version_policy={"specific": [2]})
    at.until_states("policy", v1="UNAVAILABLE", v2="READY", v3="UNAVAILABLE")

    assert at.answers("policy") == "2"
    assert at.reached("policy", "LOADING") == [3, 1, 2]


def test_changed_labels_are_taken_up_without_loading_anything(at, root):
    folder = add_echo(root, "tagged", versions=(1, 2), version_policy="all", labels={"stable": 1})
    at.until_answers("tagged", 1, "stable")
    loads = len(at.reached("tagged", "LOADING"))

    rewrite(folder, version_policy="all", labels={"stable": 2, "old": 1})

    at.until_answers("tagged", 2, "stable")
    assert at.answers("tagged", "old") == "1"
    assert len(at.reached("tagged", "LOADING")) == loads == 2


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ("max_batchsize: 8", "model.yaml: max_batchsize: unknown, did you mean max_batch_size?"),
        ("[", "model.yaml: "),
        ('{"runtime": "echo", "options": {"fail_laod": "x"}}', "unknown option 'fail_laod'"),
    ],
)
def test_wrong_settings_leave_what_serves_and_the_index_says_what_is_wrong(at, root, wrong, reason):
    name = f"wrong-{len(wrong)}"
    folder = add_echo(root, name)
    at.until_answers(name, 1)

    put(folder / "model.yaml", wrong)

    at.until_reason(name, "1", reason)
    assert (at.states(name), at.answers(name)) == ({"1": "READY"}, "1")
    rewrite(folder)
    until(lambda: at.reason(name, "1") == "")
    assert (at.states(name), at.reached(name, "READY")) == ({"1": "READY"}, [1])


def test_a_model_whose_first_settings_are_wrong_is_served_once_they_are_right(at, root):
    folder = add_echo(root, "misspelt", runtiem="echo")
    at.until_reason("misspelt", "", "runtiem: unknown, did you mean runtime?")
    assert at.infer("misspelt").status_code == 503

    rewrite(folder)

    at.until_answers("misspelt", 1)


# ---- a repository that is gone, and one that is not followed -------------------------------------


def test_nothing_is_unloaded_while_the_repository_is_gone(tmp_path):
    root, away = tmp_path / "models", tmp_path / "away"
    root.mkdir()
    folder = add_echo(root, "stays")
    with serving(root, arguments=FAST) as server:
        at = Operator(server)
        root.rename(away)
        server.wait_for("passed over")
        assert at.answers("stays") == "1"
        root.mkdir()  # an empty one: as a file system that is not mounted looks
        server.forget()
        server.wait_for("passed over")
        assert (at.answers("stays"), at.states("stays")) == ("1", {"1": "READY"})
        root.rmdir()
        away.rename(root)

        (folder / "2").mkdir()

        at.until_answers("stays", 2)
        assert at.reached("stays", "LOADING") == [1, 2]


def test_without_model_control_nothing_is_followed_and_everything_from_the_start_served(tmp_path):
    folder = add_echo(tmp_path, "fixed")
    with serving(tmp_path, arguments=(*FAST, "--model-control", "none")) as server:
        at = Operator(server)
        (folder / "2").mkdir()
        add_echo(tmp_path, "late")
        rewrite(folder, max_batch_size=2)
        with serving(tmp_path, arguments=FAST) as follower:
            # By now one that follows would have taken it up.
            Operator(follower).until_states("late", v1="READY")

        refused = at.load("fixed")

        assert refused.status_code == 501
        assert "--model-control none" in refused.json()["error"]
        assert (at.answers("fixed"), at.states("fixed")) == ("1", {"1": "READY"})
        assert at.infer("late").status_code == 404
