"""What an interpreter tells of a runtime is judged by what models need of it; faults are told."""

from __future__ import annotations

import pytest

from server.doctor.finding import Finding, Grade
from server.doctor.interpreters import Environment, Gpu, Need, judge, needs_of

PYTHON = "/srv/torch/bin/python"
CUBLAS = {"libcublas.so.12": "/srv/torch/lib/libcublas.so.12"}
GOOD = Environment("3.11.7", "2.1.0", "torch", "2.6.0", "12.4")
MODELS = Need(("digits",))
ON_GPU = Need(("digits",), frozenset({"cuda:0"}))


def findings(told: Environment | str, need: Need = MODELS, *, driver: bool = False):
    return {one.name: one for one in judge("torchscript", PYTHON, told, need, driver=driver)}


def with_gpu(proof: str) -> Environment:
    return Environment(
        "3.11.7", "2.1.0", "torch", "2.6.0", "12.4", (Gpu("cuda:0", "H100", proof),), CUBLAS
    )


def test_a_good_environment_is_told_with_its_versions():
    found = findings(GOOD)

    assert found["torchscript"].grade is Grade.OK
    assert found["torchscript"].text == "torch 2.6.0, Python 3.11.7, numpy 2.1.0"
    assert found["torchscript-gpu"].text == "no GPU; models run on the CPU"


def test_a_missing_framework_is_a_problem_of_the_models_that_need_it():
    missing = Environment("3.11.7", error="No module named 'torch'")

    found = findings(missing)["torchscript"]

    assert found.grade is Grade.PROBLEM
    assert "No module named 'torch'; needed by digits" in found.text
    assert "underway[torch]" in found.advice
    assert "--runtime-python torchscript=PATH" in found.advice
    assert findings(missing, Need())["torchscript"].grade is Grade.OK


def test_a_missing_numpy_is_a_problem():
    found = findings(Environment("3.11.7", "", "torch", "2.6.0"))

    assert found["torchscript-numpy"].grade is Grade.PROBLEM
    assert PYTHON in found["torchscript-numpy"].advice


def test_a_gpu_that_computes_is_told_with_the_libraries_it_did_it_with():
    found = findings(with_gpu("passed"), ON_GPU)["torchscript-gpu"]

    assert found.grade is Grade.OK
    assert found.text == "cuda:0 H100 computes, with libcublas.so.12"


def test_a_gpu_that_computes_nothing_is_a_problem():
    found = findings(with_gpu("no kernel image is available"))["torchscript-gpu"]

    assert found.grade is Grade.PROBLEM
    assert "no kernel image is available" in found.text
    assert "LD_LIBRARY_PATH" in found.advice


@pytest.mark.parametrize(
    ("told", "need", "driver", "grade", "words"),
    [
        (GOOD, MODELS, False, Grade.OK, ""),
        (GOOD, ON_GPU, False, Grade.PROBLEM, "--gpus all"),
        (GOOD, MODELS, True, Grade.WARNING, "built for CUDA 12.4"),
        (Environment("3.11", "2", "torch", "2"), ON_GPU, True, Grade.PROBLEM, "for the CPU alone"),
    ],
)
def test_a_gpu_that_is_not_seen_matters_where_one_is_asked_for_or_there(
    told, need, driver, grade, words
):
    found: Finding = findings(told, need, driver=driver)["torchscript-gpu"]

    assert found.grade is grade
    assert words in found.advice


def test_needs_are_gathered_by_runtime():
    needs = needs_of([("a", "onnx", ("auto",)), ("b", "onnx", ("cuda:1",)), ("c", "echo", ())])

    assert needs["onnx"] == Need(("a", "b"), frozenset({"auto", "cuda:1"}))
    assert needs.keys() == {"onnx", "echo"}
