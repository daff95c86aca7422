"""The demo repository, built for real and asked directly in each framework."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.harness.children import ended

pytestmark = pytest.mark.slow

DIGITS = ("digits-torchscript", "digits-savedmodel", "digits-onnx")
TOLERANCE = 1e-5
BUILD = [sys.executable, "-m", "server.demo"]
ANSWERS = Path(__file__).with_name("demo_answers.py")
PROJECT = Path(__file__).parents[2]


def run_build(directory, **options):
    return subprocess.run(
        [*BUILD, str(directory)], cwd=PROJECT, capture_output=True, text=True, **options
    )


@pytest.fixture(scope="session")
def demo(tmp_path_factory):
    """The repository and what the build said; UNDERWAY_TEST_DEMO names one to keep between runs."""
    cached = os.environ.get("UNDERWAY_TEST_DEMO")
    directory = Path(cached) if cached else tmp_path_factory.mktemp("demo") / "new" / "models"
    done = run_build(directory)
    assert done.returncode == 0, done.stdout + done.stderr
    return directory, done


@pytest.fixture(scope="session")
def facts(demo):
    return json.loads((demo[0] / ".underway-demo.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="session")
def answers(demo):
    child = subprocess.run(
        [sys.executable, str(ANSWERS), str(demo[0])],
        cwd=PROJECT,
        env={**os.environ, "PYTHONPATH": str(PROJECT), "CUDA_VISIBLE_DEVICES": "-1"},
        capture_output=True,
        text=True,
    )
    assert child.returncode == 0, child.stderr
    return json.loads(child.stdout)


def test_the_build_says_little_and_nothing_on_stderr(demo):
    _, done = demo
    assert done.stderr == ""
    assert 1 <= len(done.stdout.splitlines()) <= 12


def test_every_model_stands_where_a_server_looks_for_it(demo):
    directory, _ = demo
    visible = sorted(path.name for path in directory.iterdir() if not path.name.startswith("."))
    assert visible == ["digits-onnx", "digits-savedmodel", "digits-torchscript", "language"]
    for artifact in (
        "digits-torchscript/1/model.pt",
        "digits-savedmodel/1/saved_model.pb",
        "digits-onnx/1/model.onnx",
        "language/1/saved_model.pb",
    ):
        assert (directory / artifact).is_file()


def test_no_staging_folder_is_left_behind(demo):
    directory, _ = demo
    assert not list(directory.parent.glob(".underway-demo-*"))
    assert not list(directory.glob(".underway-demo-*"))


@pytest.mark.parametrize("model", DIGITS)
def test_a_digits_model_reads_unseen_digits(answers, model):
    probabilities = np.array(answers[model]["probabilities"][0])
    right = probabilities.argmax(axis=1) == np.array(answers["labels"])
    assert len(right) == 450
    assert right.mean() >= 0.97


@pytest.mark.parametrize("model", DIGITS)
def test_a_digits_model_answers_fp32_probabilities_at_any_batch_size(answers, model):
    got = answers[model]
    assert got["dtypes"] == ["float32"]
    assert got["shapes"] == [[450, 10], [0, 10], [1, 10], [3, 10], [16, 10]]
    sums = np.array(got["probabilities"][0]).sum(axis=1)
    np.testing.assert_allclose(sums, 1.0, atol=1e-5)


@pytest.mark.parametrize("model", DIGITS[1:])
def test_the_exports_agree(answers, model):
    reference = answers["digits-torchscript"]["probabilities"]
    for expected, actual in zip(reference, answers[model]["probabilities"], strict=True):
        np.testing.assert_allclose(actual, expected, rtol=0, atol=TOLERANCE)


def test_torchscript_carries_its_signature(answers):
    assert answers["torchscript_signature"] == {
        "inputs": [{"name": "image", "datatype": "FP32", "shape": [-1, 1, 8, 8]}],
        "outputs": [{"name": "probabilities", "datatype": "FP32", "shape": [-1, 10]}],
    }


def test_the_savedmodel_has_a_named_signature(answers):
    assert answers["savedmodel_signature"] == [
        ["image", "float32", [None, 1, 8, 8]],
        ["probabilities", "float32", [None, 10]],
    ]


def test_the_onnx_model_has_an_open_batch_dimension(answers):
    assert answers["onnx_signature"] == [
        ["image", "tensor(float)", ["batch", 1, 8, 8]],
        ["probabilities", "tensor(float)", ["batch", 10]],
    ]


def test_language_takes_strings_and_answers_label_and_score(answers):
    assert sorted(answers["language_signature"]) == [
        ["label", "string", [None]],
        ["score", "float32", [None]],
        ["text", "string", [None]],
    ]


def test_language_knows_sentences_it_has_not_seen(answers):
    together = answers["language"]["together"]
    assert [label for label, _ in together] == ["en", "de", "fr", "es", "it"]


def test_language_answers_the_same_alone_and_in_a_batch(answers):
    together, alone = answers["language"]["together"], answers["language"]["alone"]
    assert [label for label, _ in together] == [label for label, _ in alone]
    np.testing.assert_allclose([s for _, s in together], [s for _, s in alone], atol=1e-6)


@pytest.mark.parametrize(
    "text", ["empty", "spaces", "digits", "invalid utf-8", "nul", "other script", "very long"]
)
def test_language_survives_odd_text(answers, text):
    label, score = answers["language"]["odd"][text]
    assert label in {"en", "de", "fr", "es", "it"}
    assert 0.2 <= score <= 1.0  # the best of five


def test_language_is_unsure_about_an_empty_text(answers):
    assert answers["language"]["odd"]["empty"][1] < 0.5


def test_language_answers_no_text_with_nothing(answers):
    assert answers["language"]["nothing"] == []


def test_the_manifest_tells_how_good_the_models_are(facts):
    assert facts["accuracy"]["digits"] >= 0.97
    assert facts["accuracy"]["language"] >= 0.90
    assert facts["parity"]["largest_difference"] <= TOLERANCE
    assert {"torch", "tensorflow", "onnx", "onnxruntime"} <= facts["frameworks"].keys()


def test_the_sample_digit_is_a_test_image_with_the_right_answer(facts, answers):
    from server.demo import digits_data

    sample = facts["samples"]["digits"]
    images = digits_data.load().test_images.reshape(-1, 64)
    (index,) = np.flatnonzero((images == np.array(sample["image"], np.float32)).all(axis=1))
    assert answers["labels"][index] == sample["label"]
    probability = answers["digits-onnx"]["probabilities"][0][index][sample["label"]]
    assert probability == pytest.approx(sample["probability"], abs=1e-4)


def test_a_second_build_changes_nothing_and_imports_no_framework(demo):
    directory, _ = demo
    before = {path: path.stat().st_mtime_ns for path in directory.rglob("*")}
    code = (
        "import sys; from pathlib import Path; from server.demo.build import build; "
        "build(Path(sys.argv[1])); "
        "print(sorted({'torch', 'tensorflow', 'onnxruntime', 'numpy'} & sys.modules.keys()))"
    )
    again = subprocess.run(
        [sys.executable, "-c", code, str(directory)], cwd=PROJECT, capture_output=True, text=True
    )
    said = again.stdout.splitlines()
    assert said[0].startswith("The demo models are already in"), again.stdout + again.stderr
    assert said[1:] == ["[]"]
    assert {path: path.stat().st_mtime_ns for path in directory.rglob("*")} == before


@pytest.mark.parametrize(
    ("number", "moment", "status"),
    [(signal.SIGINT, "importing", 130), (signal.SIGTERM, "training", 143)],
    ids=["SIGINT", "SIGTERM"],
)
def test_an_interrupted_build_leaves_nothing(tmp_path, number, moment, status):
    target = tmp_path / "models"
    child = subprocess.Popen(
        [*BUILD, str(target)],
        cwd=PROJECT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    for line in child.stdout:
        if moment in line:
            (stage,) = tmp_path.iterdir()
            assert stage.name.startswith(".underway-demo-")
            child.send_signal(number)
            break
    _, errors = ended(child, 60)
    assert child.returncode == status, errors
    assert "Traceback" not in errors
    assert list(tmp_path.iterdir()) == []


def test_a_foreign_folder_is_refused_and_left_alone(tmp_path):
    (tmp_path / "thesis.txt").write_text("ten years of work")
    done = run_build(tmp_path)
    assert done.returncode == 1
    assert "is not empty and holds no demo repository" in done.stderr
    assert "Traceback" not in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]
