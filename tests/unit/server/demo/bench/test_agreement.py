"""Formats that disagree are refused, whatever it is they disagree in."""

from __future__ import annotations

import numpy as np
import pytest

from server.demo.bench.agreement import compare
from server.demo.bench.architecture import Port
from server.demo.errors import DemoError

OUTPUT = Port("y", "FP32", (-1, 2))
ONES = np.ones((3, 2), np.float32)


def test_the_largest_difference_between_any_two_is_found():
    near, far = ONES + np.float32(1e-5), ONES - np.float32(2e-5)

    found = compare("net", OUTPUT, {"a": [ONES], "b": [near], "c": [far]})

    assert found.difference == pytest.approx(3e-5, rel=1e-2)
    assert found.relative == pytest.approx(3e-5, rel=1e-2)


@pytest.mark.parametrize(
    ("other", "words"),
    [
        (ONES * 1.01, "disagree"),
        (ONES * np.nan, "disagree"),
        (ONES[:, :1], "answered float32"),
        (ONES.astype(np.float64), "answered float64"),
    ],
)
def test_other_answers_are_refused(other, words):
    with pytest.raises(DemoError, match=words):
        compare("net", OUTPUT, {"a": [ONES], "b": [np.asarray(other)]})
