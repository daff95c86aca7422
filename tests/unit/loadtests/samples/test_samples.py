"""Answers are checked: a wrong label, a missing output, another shape and NaN are all caught."""

from __future__ import annotations

import numpy as np
import pytest

from loadtests.samples.discover import signature_of
from loadtests.samples.labels import digits, digits_are, known, languages_are
from loadtests.samples.made_up import has_form, made_up
from runtimes.contract.tensor import Datatype, Signature, TensorSpec, byte_size

SEVEN = np.full((1, 10), 0.01, np.float32)
SEVEN[0, 7] = 0.91


@pytest.mark.parametrize(
    ("answers", "complaint"),
    [
        ({"probabilities": SEVEN}, ""),
        ({"probabilities": SEVEN[:, ::-1]}, "wrong digits: expected [7], got [2]"),
        ({"probabilities": SEVEN * 2}, "do not add up"),
        ({"probabilities": SEVEN[:, :9]}, "expected probabilities of shape [1, 10]"),
        ({"logits": SEVEN}, "expected probabilities"),
    ],
)
def test_a_digit_is_right_or_it_is_said_why_not(answers, complaint):
    said = digits_are([7])(answers)

    assert complaint in said
    assert bool(said) == bool(complaint)


def test_a_wrong_language_is_caught():
    check = languages_are([b"German", b"French"])

    assert check({"label": np.array([b"German", b"French"], object)}) == ""
    assert "wrong languages" in check({"label": np.array([b"French", b"French"], object)})


def test_digits_are_real_images_with_their_labels():
    samples = digits(rows=4)
    first = samples[0].inputs[0]

    assert (first.name, first.array.shape, first.array.dtype) == ("image", (4, 1, 8, 8), np.float32)
    assert 0 <= first.array.min() < first.array.max() <= 1


def test_models_are_known_by_their_signature():
    metadata = {
        "inputs": [{"name": "image", "datatype": "FP32", "shape": [-1, 1, 8, 8]}],
        "outputs": [{"name": "probabilities", "datatype": "FP32", "shape": [-1, 10]}],
    }
    assert known(signature_of(metadata), 1)
    metadata["inputs"][0]["shape"] = [-1, 3, 224, 224]
    assert not known(signature_of(metadata), 1)


@pytest.mark.parametrize("datatype", Datatype)
def test_inputs_are_made_up_for_every_datatype(datatype):
    spec = TensorSpec("anything", datatype, (-1, 3))
    samples = made_up(Signature((spec,), ()), rows=2)

    assert {sample.inputs[0].array.shape for sample in samples} == {(2, 3)}
    size = byte_size(datatype, (2, 3))
    assert size is None or len(samples[0].inputs[0].data) == size


def test_an_image_is_as_large_as_images_are():
    spec = TensorSpec("image", Datatype.FP32, (-1, 3, 224, 224))

    assert len(made_up(Signature((spec,), ()), rows=1)[0].inputs[0].data) == 602_112


def test_token_ids_and_masks_are_what_their_names_say():
    specs = [TensorSpec(n, Datatype.INT64, (-1, 64)) for n in ("input_ids", "attention_mask")]
    ids, mask = (item.array for item in made_up(Signature(tuple(specs), ()), 1)[0].inputs)

    assert (mask == 1).all()
    assert 0 <= ids.min() < ids.max() < 100


@pytest.mark.parametrize(
    ("answers", "complaint"),
    [
        ({"y": np.zeros((2, 5))}, ""),
        ({}, "output y is missing"),
        ({"y": np.zeros((1, 5))}, "expected shape [2, 5], got [1, 5]"),
        ({"y": np.zeros(2)}, "expected shape [2, 5], got [2]"),
        ({"y": np.full((2, 5), np.nan)}, "not finite"),
    ],
)
def test_the_form_of_an_unknown_models_answer_is_checked(answers, complaint):
    check = has_form(Signature((), (TensorSpec("y", Datatype.FP32, (-1, 5)),)), rows=2)

    assert complaint in check(answers)
    assert bool(check(answers)) == bool(complaint)
