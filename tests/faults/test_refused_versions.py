"""Versions that come whole and are refused all the same: the one that serves stays."""

from __future__ import annotations

import io
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from tests.harness.echo_repository import add_echo, rewrite
from tests.harness.onnx_models import save_scaling
from tests.harness.operator import FAST, Operator, until
from tests.harness.server_process import serving

GIB = 2**30


@pytest.fixture(scope="module")
def root(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("refused") / "models"
    folder.mkdir()
    return folder


@pytest.fixture(scope="module")
def at(root):
    with serving(root, arguments=(*FAST, "--load-retry-delay", "3600")) as server:
        yield Operator(server)


def save_golden(folder: Path, factor: float) -> None:
    """A golden check of `onnx_models.scaling(factor)`."""
    x = np.array([[1.0, -2.0]], np.float32)
    content = io.BytesIO()
    np.savez(content, x=x, y=x * factor)
    folder.mkdir(parents=True)
    (folder / "signs.npz").write_bytes(content.getvalue())


# ---- golden checks and warm-up -------------------------------------------------------------------


def test_a_version_that_answers_otherwise_than_golden_is_refused(at, root):
    save_golden(root / "exact/golden", 2)
    save_scaling(root / "exact/1", 2)
    at.until_answers("exact", 1)

    save_scaling(root / "exact/2", 3)

    at.until_reason("exact", "2", "golden check 'signs.npz': output 'y'")
    assert (at.states("exact"), at.answers("exact")) == ({"1": "READY", "2": "UNAVAILABLE"}, "1")
    failures = at.metric("underway_load_failures_total", model="exact", phase="warm_up")
    assert failures == 1
    save_scaling(root / "exact/3", 2)
    at.until_answers("exact", 3)


def test_a_version_that_fails_its_warm_up_is_refused(at, root):
    sample = {"inputs": [{"name": "x", "datatype": "FP32", "shape": [1, 2], "data": [1.0, 2.0]}]}
    folder = add_echo(root, "warmed")
    at.until_answers("warmed", 1)
    (folder / "warmup").mkdir()
    (folder / "warmup/sample.json").write_text(json.dumps(sample))

    # 0x3f is in every 1.0, and so in the sample.
    rewrite(folder, options={"fail_on": 0x3F})

    reason = "warm-up 'sample.json' failed with 1 row: echo was told to fail on this input"
    at.until_reason("warmed", "1", reason)
    assert (at.states("warmed"), at.answers("warmed")) == ({"1": "READY"}, "1")


def test_a_sample_that_does_not_fit_the_model_is_refused(at, root):
    folder = add_echo(root, "unfit")
    at.until_answers("unfit", 1)
    (folder / "warmup").mkdir()
    (folder / "warmup/sample.json").write_text('{"inputs": []}')

    (folder / "2").mkdir()

    at.until_reason("unfit", "2", "warm-up 'sample.json': 'inputs' is missing")
    assert at.answers("unfit") == "1"


# ---- room ----------------------------------------------------------------------------------------


def test_a_version_that_is_too_large_is_refused_with_numbers(at, root):
    folder = add_echo(root, "huge")
    at.until_answers("huge", 1)

    rewrite(folder, footprint_bytes=1000 * GIB, labels={"taken-up": 1})
    at.until_answers("huge", 1, "taken-up")
    (folder / "2").mkdir()

    reason = at.until_reason("huge", "2", "not enough memory: it needs about 1024000 MiB")
    assert "(footprint_bytes in model.yaml, 1 worker(s)) and" in reason
    assert "MiB are free. Free some, or set swap: replace in model.yaml" in reason
    assert (at.states("huge"), at.answers("huge")) == ({"1": "READY", "2": "UNAVAILABLE"}, "1")


def test_replace_unloads_the_old_version_first(at, root):
    folder = add_echo(root, "replaced", swap="replace")
    at.until_answers("replaced", 1)

    (folder / "2").mkdir()

    at.until_answers("replaced", 2)
    order = [(entry["version"], entry["target"]) for entry in at.history("replaced")]
    assert order.index((1, "ENDED")) < order.index((2, "LOADING"))


# ---- retries -------------------------------------------------------------------------------------


def test_a_failed_load_is_tried_again_and_then_given_up(tmp_path):
    add_echo(tmp_path, "fails", options={"fail_load": "out of order"})
    arguments = (*FAST, "--load-retries", "2", "--load-retry-delay", "0.2")
    with serving(tmp_path, arguments=arguments) as server:
        at = Operator(server)
        until(lambda: at.reached("fails", "FAILED") == [1, 1, 1])

        reasons = [entry["reason"] for entry in at.history("fails") if entry["target"] == "FAILED"]
        assert reasons == [
            "out of order (attempt 1 of 3, next in 0.2 s)",
            "out of order (attempt 2 of 3, next in 0.4 s)",
            "out of order",
        ]
        assert at.reason("fails", "1") == "out of order"
        assert at.metric("underway_load_failures_total", model="fails") == 3
        assert at.infer("fails").status_code == 503


def test_the_index_shows_the_attempt_and_when_the_next_one_is(at, root):
    add_echo(root, "waits", options={"fail_load": "out of order"})

    at.until_reason("waits", "1", "out of order (attempt 1 of 6, next in 3600 s)")


def test_an_artifact_that_is_put_right_is_tried_at_once(at, root):
    (root / "torn/1").mkdir(parents=True)
    (root / "torn/1/model.onnx").write_bytes(b"no model at all")
    at.until_reason("torn", "1", "next in 3600 s")

    aside = save_scaling(root / "torn/aside", 2)
    aside.replace(root / "torn/1/model.onnx")

    at.until_answers("torn", 1)


def test_settings_that_are_put_right_are_tried_at_once(at, root):
    folder = add_echo(root, "wrong", options={"fail_load": "told to"})
    at.until_reason("wrong", "1", "told to (attempt 1 of 6, next in 3600 s)")

    rewrite(folder)

    at.until_answers("wrong", 1)


def test_what_is_removed_is_not_tried_again(tmp_path):
    gone = add_echo(tmp_path, "gone", options={"fail_load": "out of order"})
    arguments = (*FAST, "--load-retries", "100", "--load-retry-delay", "0.2")
    with serving(tmp_path, arguments=arguments) as server:
        at = Operator(server)
        until(lambda: len(at.reached("gone", "FAILED")) >= 2)
        shutil.rmtree(gone)
        until(lambda: at.history("gone")[-1]["target"] == "ENDED")
        tried = at.reached("gone", "LOADING")

        # The next attempt would have been due before this one's fifth.
        add_echo(tmp_path, "clock", options={"fail_load": "tick"})
        until(lambda: len(at.reached("clock", "FAILED")) >= 5)

        assert at.reached("gone", "LOADING") == tried
        assert at.history("gone")[-1]["reason"] == "no longer wanted"
