"""Frameworks' errors become short reasons that say nothing of the machine."""

from __future__ import annotations

import pytest

from runtimes.contract.messages import ModelSpec
from runtimes.reasons import MAX_LENGTH, clean_reason

SPEC = ModelSpec("m", 3, "onnx", "/srv/repo/m/3/model.onnx")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("Load model from /srv/repo/m/3/model.onnx failed", "Load model from model.onnx failed"),
        ("cannot stat /srv/repo/m/3", "cannot stat 3"),
        ("escapes to /srv/repo/other/w.bin", "escapes to other/w.bin"),
        ("[ONNXRuntimeError] : 10 : INVALID_GRAPH : bad", "INVALID_GRAPH: bad"),
        ("/onnxruntime_src/core/graph/model.cc:181 Model failed", "Model failed"),
        ('node "/conv1/Conv" failed', 'node "/conv1/Conv" failed'),
        ("on /job:localhost/replica:0/task:0", "on /job:localhost/replica:0/task:0"),
        ("first\nException raised from f at x.cpp:1\nframe #0: y", "first"),
        ("in /usr/lib/python3/site.py", "in site.py"),
        ("Op not registered 'F' in binary running on host-7. Make sure", "Op not registered 'F'. "
         "Make sure"),
        ("{{function_node __wrap_3}} i = 9 is not in [0, 1) [[{{node G}}]] [Op:__wrap_3]",
         "i = 9 is not in [0, 1)"),
        ("\nUnknown op: f.\n:\n  File \"code/a.py\", line 8\n  def f(self)\n   ~~ <--- HERE",
         "Unknown op: f."),
        ("Failed.\nTraceback of TorchScript (most recent call last):\n  File \"/a/b.py\", line 4\n"
         "    return x\n           ~ <--- HERE\nRuntimeError: shape is wrong", "shape is wrong"),
    ],
)  # fmt: skip
def test_only_what_a_publisher_needs_is_left(text, reason):
    assert clean_reason(RuntimeError(text), SPEC) == reason


def test_an_error_without_a_text_is_named_by_its_class():
    assert clean_reason(MemoryError(), SPEC) == "MemoryError"


def test_a_long_reason_is_cut():
    reason = clean_reason(RuntimeError("x" * 5000), SPEC)
    assert len(reason) == MAX_LENGTH
    assert reason.endswith("…")
