"""Runtimes are found by name and imported only when asked for."""

from __future__ import annotations

import subprocess
import sys

import pytest

from runtimes.registry import RUNTIMES, create_runtime
from runtimes.runtime import LoadError


def test_the_four_runtimes_are_known():
    assert set(RUNTIMES) == {"torchscript", "savedmodel", "onnx", "echo"}


def test_an_unknown_runtime_is_refused_with_the_known_ones():
    with pytest.raises(LoadError, match="unknown runtime 'caffe'; known are echo, onnx"):
        create_runtime("caffe")


@pytest.mark.parametrize(
    ("name", "module", "extra"),
    [
        ("torchscript", "torch", "torch"),
        ("savedmodel", "tensorflow", "tensorflow"),
        ("onnx", "onnxruntime", "onnx"),
    ],
)
def test_a_missing_framework_is_told_with_what_to_install(monkeypatch, name, module, extra):
    monkeypatch.setitem(sys.modules, module, None)
    for loaded in [item for item in sys.modules if item == f"runtimes.{name}"]:
        monkeypatch.delitem(sys.modules, loaded)
    with pytest.raises(LoadError, match=rf"Install underway\[{extra}\] there, or set runtimes"):
        create_runtime(name)


def test_echo_needs_the_standard_library_alone():
    code = (
        "import sys; from runtimes.registry import create_runtime; create_runtime('echo').preload()"
        "; print([m for m in ('numpy', 'torch', 'tensorflow', 'onnxruntime') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
