"""The checks that stand between a bad model and the repository."""

import numpy as np
import pytest

from server.demo import accuracy, parity
from server.demo.errors import DemoError

REFERENCE = [np.array([[0.25, 0.75]], np.float32), np.array([[0.5, 0.5]], np.float32)]


def shifted(by):
    return [REFERENCE[0], REFERENCE[1] + np.float32(by)]


def test_every_image_is_asked_at_every_batch_size():
    images = np.arange(20, dtype=np.float32).reshape(20, 1)
    batches = parity.batches_of(images)
    assert [len(batch) for batch in batches] == [20, *[1] * 20, *[3] * 6, 2, 16, 4]
    for first, count in ((0, 1), (1, 20), (21, 7), (28, 2)):
        np.testing.assert_array_equal(np.concatenate(batches[first : first + count]), images)


def test_differences_are_the_largest_over_all_batches():
    found = parity.differences(REFERENCE, {"same": REFERENCE, "other": shifted(0.125)})
    assert found == {"same": 0.0, "other": 0.125}


def test_the_spread_is_between_any_two_models():
    answers = {"a": shifted(-0.125), "b": REFERENCE, "c": shifted(0.25)}
    assert parity.largest_spread(answers) == 0.375


def test_a_nan_is_a_difference():
    answers = {"a": REFERENCE, "b": shifted(float("nan"))}
    assert np.isnan(parity.largest_spread(answers))
    assert np.isnan(parity.differences(REFERENCE, answers)["b"])


@pytest.mark.parametrize("spread", [0.0, 1e-6, 1e-5])
def test_a_small_spread_passes(spread):
    parity.check(spread)


@pytest.mark.parametrize("spread", [1.1e-5, 1.0, float("inf"), float("nan")])
def test_a_large_spread_is_an_error(spread):
    with pytest.raises(DemoError, match="disagree"):
        parity.check(spread)


@pytest.mark.parametrize(
    "wrong", [np.zeros((1, 3), np.float32), np.zeros((2,), np.float32), np.zeros((1, 2))]
)
def test_a_wrong_shape_or_type_is_an_error(wrong):
    with pytest.raises(DemoError, match="m answered"):
        parity.differences(REFERENCE, {"m": [REFERENCE[0], wrong]})


@pytest.mark.parametrize(("model", "right"), [("digits", 97), ("language", 90)])
def test_accuracy_is_checked_at_its_limit(model, right):
    expected = [1] * 100
    assert accuracy.checked(model, expected, [1] * right + [0] * (100 - right)) == right / 100
    with pytest.raises(DemoError, match="is required"):
        accuracy.checked(model, expected, [1] * (right - 1) + [0] * (101 - right))
