"""Weights are the same wherever and in whatever order they are made."""

from __future__ import annotations

import numpy as np

from server.demo.bench import weights


def test_weights_depend_on_their_name_alone():
    first = weights.kernel("stem", 8, 3, 7)
    weights.kernel("another", 8, 3, 7)

    np.testing.assert_array_equal(first, weights.kernel("stem", 8, 3, 7))
    assert not np.array_equal(first, weights.kernel("another", 8, 3, 7))


def test_a_variance_is_never_negative():
    assert (weights.statistics("norm", 4096, 1.0)[3] > 0).all()
