"""What an interpreter tells of itself: libraries really loaded, GPUs that really compute."""

from __future__ import annotations

import json

import numpy as np
import pytest

from runtimes import examine

MAPS = """\
7f1c00000000-7f1c00001000 r-xp 00000000 08:01 42  /srv/nvidia/cublas/lib/libcublas.so.12
7f1c00001000-7f1c00002000 r--p 00001000 08:01 42  /srv/nvidia/cublas/lib/libcublas.so.12
7f1c00002000-7f1c00003000 r-xp 00000000 08:01 43  /srv/my libs/libcudnn_ops.so.9
7f1c00003000-7f1c00004000 r-xp 00000000 08:01 44  /usr/lib/libcuda.so.550.54
7f1c00004000-7f1c00005000 r-xp 00000000 08:01 45  /usr/lib/libcurl.so.4
7f1c00005000-7f1c00006000 rw-p 00000000 00:00 0
7f1c00006000-7f1c00007000 rw-p 00000000 00:00 0   [stack]
"""


def test_the_cuda_libraries_are_those_that_are_mapped():
    assert examine.loaded_libraries(MAPS) == {
        "libcublas.so.12": "/srv/nvidia/cublas/lib/libcublas.so.12",
        "libcudnn_ops.so.9": "/srv/my libs/libcudnn_ops.so.9",
        "libcuda.so.550.54": "/usr/lib/libcuda.so.550.54",
    }


def test_a_gpu_has_to_compute_the_right_thing():
    def broken() -> float:
        raise RuntimeError("CUDA error: no kernel image is available\nCompile with TORCH_USE_CUDA")

    gpus = [
        ("cuda:0", "good", lambda: examine.PRODUCT),
        ("cuda:1", "wrong", lambda: 511.0),
        ("cuda:2", "broken", broken),
    ]

    assert [one["proof"] for one in examine.proofs(iter(gpus))] == [
        "passed",
        "computed 511, expected 512",
        "CUDA error: no kernel image is available",
    ]


def test_a_missing_framework_is_told_with_all_else(monkeypatch):
    def absent() -> examine.Facts:
        raise ModuleNotFoundError("No module named 'torch'")

    monkeypatch.setitem(examine._FRAMEWORKS, "torchscript", absent)

    facts = examine.examine("torchscript")

    assert facts["error"] == "No module named 'torch'"
    assert facts["numpy"] == np.__version__


def test_a_framework_that_breaks_as_it_starts_is_told_by_its_error(monkeypatch):
    def breaks() -> examine.Facts:
        raise RuntimeError("numpy.core.multiarray failed to import")

    monkeypatch.setitem(examine._FRAMEWORKS, "onnx", breaks)

    assert "RuntimeError: numpy.core" in str(examine.examine("onnx")["error"])


def test_the_facts_are_one_line_of_json_whatever_else_is_printed(monkeypatch, capfd):
    def loud() -> examine.Facts:
        print("Hello from a framework")
        return {"framework": "loud", "version": "1"}

    monkeypatch.setitem(examine._FRAMEWORKS, "onnx", loud)
    monkeypatch.setattr(examine.os, "dup2", lambda *_: None)  # the test's own output stays its own

    assert examine.main("onnx") == 0

    assert json.loads(capfd.readouterr().out.splitlines()[-1])["framework"] == "loud"


def test_the_model_that_proves_a_gpu_is_a_good_one():
    onnx = pytest.importorskip("onnx")
    runtime = pytest.importorskip("onnxruntime")

    onnx.checker.check_model(onnx.load_from_string(examine._MATMUL))
    session = runtime.InferenceSession(examine._MATMUL, providers=["CPUExecutionProvider"])
    (result,) = session.run(["y"], {"x": np.full((2, 2), examine.SIDE, np.float32)})

    assert result.sum() == examine.PRODUCT
