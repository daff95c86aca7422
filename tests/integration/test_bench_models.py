"""`underway demo --bench` at its small scale: built for real, checked, and served alike."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from loadtests.compare.ask import ask, samples_for, signature_at
from loadtests.compare.parity import parity
from loadtests.compare.places import Place
from loadtests.compare.spec import Candidate, Parity
from tests.harness.server_process import ROOT, serving

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]  # three frameworks are imported

BUILD = [sys.executable, "-m", "server.cli", "demo", "--bench", "--bench-scale", "tiny"]
MODELS = {
    f"{network}-tiny-{kind}": artifact
    for network in ("resnet", "bert")
    for kind, artifact in (
        ("torchscript", "model.pt"), ("savedmodel", "saved_model.pb"), ("onnx", "model.onnx"),
    )
}  # fmt: skip


def build(directory: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*BUILD, str(directory)], cwd=ROOT, capture_output=True, text=True, check=False
    )


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> tuple[Path, subprocess.CompletedProcess[str]]:
    directory = tmp_path_factory.mktemp("bench") / "models"
    directory.mkdir()  # an empty one is as good as none
    done = build(directory)
    assert done.returncode == 0, done.stdout + done.stderr
    return directory, done


def test_every_architecture_stands_there_in_three_formats(built):
    directory, done = built

    assert {path.name for path in directory.iterdir() if path.is_dir()} == MODELS.keys()
    for model, artifact in MODELS.items():
        assert (directory / model / "1" / artifact).is_file()
        assert f"  {model}: " in done.stdout
    assert list(directory.parent.iterdir()) == [directory]


def test_the_three_formats_answer_alike_and_the_build_says_how_much(built):
    directory, done = built
    parity = json.loads((directory / ".underway-demo.json").read_text())["parity"]

    assert 0 <= parity["resnet-tiny"] <= 1e-5
    assert 0 <= parity["bert-tiny"] <= 1e-5
    assert done.stdout.count("one set of weights") == 2


def test_the_three_formats_are_served_alike_by_one_server(built):
    directory, _ = built
    kinds = ("torchscript", "savedmodel", "onnx")
    with serving(directory) as server:
        for network in ("resnet-tiny", "bert-tiny"):
            places = [
                Place(
                    Candidate(name=kind, model=model), "rest", server.url, model, server.url, 0, {}
                )
                for kind in kinds
                for model in [f"{network}-{kind}"]
            ]
            signature = signature_at(places[0])
            samples = samples_for(signature, rows=2)
            wanted, *others = [ask(place, samples, signature)[0] for place in places]

            assert all(
                sample.check(answer) == "" for sample, answer in zip(samples, wanted, strict=True)
            )
            for answers in others:
                (output,) = parity(answers, wanted, Parity())
                assert output.passed
                assert output.top1 == 1.0


def test_what_is_there_is_not_built_again(built):
    directory, _ = built
    again = build(directory)

    assert again.returncode == 0
    assert "already in" in again.stdout


def test_a_folder_of_something_else_is_left_alone(tmp_path):
    (tmp_path / "thesis.txt").write_text("ten years of work")
    done = build(tmp_path)

    assert done.returncode == 1
    assert "holds something else, so nothing was written" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]
