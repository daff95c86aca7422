"""Versions that are not whole, not yet or never: they are not served, and what serves stays."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

import pytest
from click.testing import CliRunner

from server.cli import main
from tests.harness.echo_repository import add_echo
from tests.harness.onnx_models import WEIGHTS, save_scaling, scaling, weights
from tests.harness.operator import FAST, Operator, until
from tests.harness.server_process import serving

QUIET = 1.5
NEVER_QUIET = ("--quiet-period", "3600", "--poll-interval", "0.2")


@pytest.fixture(scope="module")
def root(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("published") / "models"
    folder.mkdir()
    return folder


@pytest.fixture(scope="module")
def at(root):
    """A server that takes a version for whole only because of its manifest."""
    with serving(root, arguments=NEVER_QUIET) as server:
        yield Operator(server)


def publish(artifact: Path, model: Path) -> None:
    done = CliRunner().invoke(main, ["publish", str(artifact), str(model)])
    assert done.exit_code == 0, done.output


def publish_scaling(tmp_path: Path, model: Path, factor: float) -> None:
    publish(save_scaling(tmp_path / f"times-{factor}", factor), model)


def scales(at: Operator, model: str) -> float:
    """What the model makes of 1; 0 where it does not answer."""
    answer = at.infer(model, row=[1.0, 1.0])
    return float(answer.json()["outputs"][0]["data"][0]) if answer.status_code == 200 else 0.0


def torn(source: Path, target: Path, name: str, content: bytes) -> None:
    """Copy a published version with one file's content replaced, and move it into place."""
    aside = source.parent / ".aside"
    shutil.copytree(source, aside)
    (aside / name).write_bytes(content)
    aside.rename(target)


# ---- with a manifest -----------------------------------------------------------------------------


def test_what_publish_publishes_is_served_without_waiting_for_quiet(at, root, tmp_path):
    publish_scaling(tmp_path, root / "double", 2)
    at.until_answers("double", 1)
    assert scales(at, "double") == 2

    publish_scaling(tmp_path, root / "double", 3)

    at.until_answers("double", 2)
    assert scales(at, "double") == 3
    at.until_states("double", v1="UNAVAILABLE", v2="READY")


def test_a_version_with_a_wrong_byte_is_refused_and_the_old_one_serves(at, root, tmp_path):
    publish_scaling(tmp_path, root / "flipped", 2)
    at.until_answers("flipped", 1)

    whole = (root / "flipped/1/model.onnx").read_bytes()
    torn(root / "flipped/1", root / "flipped/2", "model.onnx", whole[:-1] + b"\xff")

    at.until_reason("flipped", "2", "the content of 'model.onnx' does not have the SHA-256 of")
    assert at.states("flipped") == {"1": "READY", "2": "UNAVAILABLE"}
    assert at.metric("underway_load_failures_total", model="flipped") == 1
    assert (at.answers("flipped"), scales(at, "flipped")) == ("1", 2)


def test_a_version_with_a_short_file_is_never_tried_and_the_index_says_why(at, root, tmp_path):
    publish_scaling(tmp_path, root / "short", 2)
    at.until_answers("short", 1)

    whole = (root / "short/1/model.onnx").read_bytes()
    torn(root / "short/1", root / "short/2", "model.onnx", whole[:-1])

    reason = f"'model.onnx' has {len(whole) - 1} bytes, manifest.json says {len(whole)}"
    at.until_reason("short", "2", reason)
    line = f"model short, version 2: not loaded yet, {reason}"
    at.server.wait_for("passed over", what=line)
    assert (at.states("short"), at.answers("short")) == ({"1": "READY", "2": "UNAVAILABLE"}, "1")
    assert at.reached("short", "LOADING") == [1]


def test_a_file_that_comes_after_the_manifest_completes_the_version(at, root, tmp_path):
    artifact = tmp_path / "with-data"
    artifact.mkdir()
    (artifact / "model.onnx").write_bytes(scaling(4, external=True))
    (artifact / WEIGHTS).write_bytes(weights(4))
    publish(artifact, root / "outside")
    at.until_answers("outside", 1)
    assert scales(at, "outside") == 4
    first, second = root / "outside/1", root / "outside/2"
    second.mkdir()
    for name in ("manifest.json", "model.onnx"):
        shutil.copyfile(first / name, second / name)
    reason = f"'{WEIGHTS}', which manifest.json names, is not there"
    at.until_reason("outside", "2", reason)
    assert at.answers("outside") == "1"

    shutil.copyfile(first / WEIGHTS, second / WEIGHTS)

    at.until_answers("outside", 2)


# ---- without one ---------------------------------------------------------------------------------


def test_a_slow_copy_is_loaded_only_when_it_has_been_quiet(tmp_path):
    arguments = ("--quiet-period", str(QUIET), "--poll-interval", "0.1")
    content = scaling(2)
    with serving(tmp_path, arguments=arguments) as server:
        at = Operator(server)
        (tmp_path / "slow/1").mkdir(parents=True)
        for at_byte in range(0, len(content), len(content) // 10 + 1):
            with (tmp_path / "slow/1/model.onnx").open("ab") as file:
                file.write(content[at_byte : at_byte + len(content) // 10 + 1])
            # Longer than the server takes to look, far shorter than the quiet period.
            time.sleep(0.2)
        last = (tmp_path / "slow/1/model.onnx").stat().st_ctime

        at.until_answers("slow", 1)

        assert at.reached("slow", "LOADING") == [1]
        # The file system's clock ticks coarsely.
        assert at.history("slow")[0]["time"] >= last + QUIET - 0.05
        assert scales(at, "slow") == 2


def test_a_file_named_as_unfinished_holds_its_version_back(tmp_path):
    save_scaling(tmp_path / "partly/1", 2)
    with serving(tmp_path, arguments=FAST) as server:
        at = Operator(server)
        assert at.answers("partly") == "1"
        part = tmp_path / "partly/2/model.onnx.part"
        part.parent.mkdir()
        part.write_bytes(scaling(3))
        at.until_reason("partly", "2", "'model.onnx.part' is still being written, by its name")
        at.until_looked(tmp_path)
        assert at.answers("partly") == "1"

        part.rename(part.with_name("model.onnx"))

        at.until_answers("partly", 2)


def test_missing_external_data_fails_the_load_and_its_arrival_is_tried_at_once(tmp_path):
    save_scaling(tmp_path / "heavy/1", 2)
    arguments = (*FAST, "--load-retry-delay", "3600")
    with serving(tmp_path, arguments=arguments) as server:
        at = Operator(server)
        folder = tmp_path / "heavy/2"
        folder.mkdir()
        (folder / "model.onnx").write_bytes(scaling(3, external=True))
        at.until_reason("heavy", "2", WEIGHTS)
        assert (at.states("heavy")["1"], scales(at, "heavy")) == ("READY", 2)

        (folder / WEIGHTS).write_bytes(weights(3))

        at.until_answers("heavy", 2)
        assert scales(at, "heavy") == 3


# ---- what goes or changes at the wrong moment ----------------------------------------------------


@pytest.fixture(scope="module")
def fast_root(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("fast") / "models"
    folder.mkdir()
    return folder


@pytest.fixture(scope="module")
def fast(fast_root):
    with serving(fast_root, arguments=FAST) as server:
        yield Operator(server)


@pytest.mark.parametrize("what", ["model", "version"])
def test_what_is_removed_while_it_loads_is_given_up(fast, fast_root, what):
    name = f"removed-{what}"
    slow = {"load_ms": 3_600_000}
    folder = add_echo(fast_root, name, versions=(1, 2), options=slow)
    until(lambda: fast.states(name).get("2") == "LOADING" and fast.workers(name))

    shutil.rmtree(folder if what == "model" else folder / "2")

    until(lambda: fast.states(name).get("2", "UNAVAILABLE") == "UNAVAILABLE")
    ends = [entry for entry in fast.history(name) if entry["version"] == 2]
    assert [entry["target"] for entry in ends] == ["LOADING", "UNLOADING", "ENDED"]
    assert ends[1]["reason"] == "no longer wanted"
    until(lambda: len(fast.workers(name)) == (what == "version"))
    assert fast.states(name).get("1") == ("LOADING" if what == "version" else None)


def test_a_served_version_that_changes_in_place_stays_as_loaded_and_is_told_of(fast, fast_root):
    save_scaling(fast_root / "changed/1", 2)
    until(lambda: scales(fast, "changed") == 2)

    save_scaling(fast_root / "changed/1", 3)

    warned = fast.server.wait_for(
        "a published version changed in place; it stays as loaded. Publish a new version instead",
        model="changed",
    )
    assert (warned["version"], warned["level"]) == (1, "warning")
    fast.until_looked(fast_root)
    assert scales(fast, "changed") == 2
    assert fast.reached("changed", "LOADING") == [1]
    assert fast.metric("underway_versions_changed_in_place_total", model="changed") == 1


def test_a_whole_version_beside_a_half_one_is_served(fast, fast_root):
    save_scaling(fast_root / "gap/2", 2)
    half = fast_root / "gap/3"
    half.mkdir()
    (half / "model.onnx.tmp").write_bytes(b"half")

    fast.until_answers("gap", 2)

    fast.until_reason("gap", "3", "'model.onnx.tmp' is still being written")
    assert fast.states("gap") == {"2": "READY", "3": "UNAVAILABLE"}
