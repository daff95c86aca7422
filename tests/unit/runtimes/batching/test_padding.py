"""Batches filled up: what is filled in is never seen, and everybody gets their own."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtimes.batching.decide import Limits, waiting
from runtimes.batching.filled import Filled
from runtimes.batching.padding import padded_rows, stretch, up_to
from runtimes.contract.messages import Infer, Padding, Result
from runtimes.contract.tensor import Datatype, Signature, Tensor, TensorSpec, pack_bytes
from runtimes.execute import execute

SEQUENCE = Signature(
    (
        TensorSpec("ids", Datatype.INT64, (-1, -1)),
        TensorSpec("mask", Datatype.INT64, (-1, -1)),
        TensorSpec("word", Datatype.BYTES, (-1, 1)),
    ),
    (
        TensorSpec("each", Datatype.INT64, (-1, -1)),
        TensorSpec("sum", Datatype.INT64, (-1,)),
        TensorSpec("word", Datatype.BYTES, (-1, 1)),
    ),
)
PAD = Padding(value=7, mask="mask")


class Sequences:
    """Doubles each id, adds up those the mask calls real, and hands the word back."""

    signature = SEQUENCE
    max_batch_size = 8
    device = "cpu"
    facts = {}

    def __init__(self):
        self.shapes = []

    def infer(self, inputs, outputs):
        given = {one.name: one for one in inputs}
        shape = given["ids"].shape
        self.shapes.append(shape)
        ids = np.frombuffer(given["ids"].data, "<i8").reshape(shape)
        mask = np.frombuffer(given["mask"].data, "<i8").reshape(shape)
        # As a model without use for a mask would see it, padding must differ from nothing.
        answers = {
            "each": Tensor("each", Datatype.INT64, shape, (ids * 2).tobytes()),
            "sum": Tensor("sum", Datatype.INT64, shape[:1], (ids * mask).sum(1).tobytes()),
            "word": given["word"],
        }
        return [answers[name] for name in outputs]


def ask(number, rows):
    """A request of `rows`, which are equally long lists, with a word for each."""
    array = np.array(rows, "<i8").reshape(len(rows), -1)
    words = pack_bytes([f"{number}".encode() * (number + 1)] * len(rows))
    return Infer(
        number,
        (
            Tensor("ids", Datatype.INT64, array.shape, array.tobytes()),
            Tensor("word", Datatype.BYTES, (len(rows), 1), words),
        ),
    )


def answered(number, rows):
    array = np.array(rows, "<i8").reshape(len(rows), -1)
    return [
        ("each", array.shape, (array * 2).tobytes()),
        ("sum", array.shape[:1], array.sum(1).tobytes()),
        ("word", (len(rows), 1), pack_bytes([f"{number}".encode() * (number + 1)] * len(rows))),
    ]


def run(requests, allowed=(), buckets=()):
    model = Sequences()
    padding = Padding(PAD.value, tuple(buckets), PAD.mask)
    limits = Limits(8, 0, tuple(allowed), stretch(padding, SEQUENCE))
    entries = [waiting(one, 0, batched=True, stretch=limits.stretch) for one in requests]
    assert buckets or len({entry.key for entry in entries}) == 1
    return model, list(execute(model, entries, 0, limits))


matrix = st.integers(1, 3).flatmap(
    lambda rows: st.integers(1, 5).flatmap(
        lambda width: st.lists(
            st.lists(st.integers(-9, 9), min_size=width, max_size=width),
            min_size=rows,
            max_size=rows,
        )
    )
)


@given(st.lists(matrix, min_size=1, max_size=2), st.sampled_from([(), (8,), (4, 8), (1, 2, 4, 8)]))
def test_padding_is_in_no_answer_and_every_answer_is_its_own(contents, allowed):
    requests = [ask(number, rows) for number, rows in enumerate(contents)]

    model, endings = run(requests, allowed)

    for number, (rows, ending) in enumerate(zip(contents, endings, strict=True)):
        assert isinstance(ending, Result)
        assert ending.id == number
        found = [(one.name, one.shape, bytes(one.data)) for one in ending.outputs]
        assert found == answered(number, rows)
    total = sum(map(len, contents))
    assert model.shapes == [(padded_rows(total, allowed), max(len(c[0]) for c in contents))]
    assert {ending.timings.padded_rows for ending in endings} == {model.shapes[0][0] - total}


def test_what_was_filled_in_is_counted():
    _, endings = run([ask(1, [[1, 2, 3]]), ask(2, [[4]])], allowed=(4,))

    timings = endings[0].timings
    assert (timings.batch_rows, timings.padded_rows) == (4, 2)
    # Four rows of three ids, a mask as large, and words; what came were four ids and two words.
    assert timings.padded_bytes == (12 - 4 + 12) * 8 + 2 * (4 + 3)


def test_a_bucket_holds_what_is_not_longer_and_none_is_needed_beyond_the_last():
    model, _ = run([ask(1, [[1, 2, 3]])], buckets=(2, 4))
    assert model.shapes == [(1, 4)]
    model, _ = run([ask(1, [[1] * 5])], buckets=(2, 4))
    assert model.shapes == [(1, 5)]


def test_only_requests_of_one_bucket_are_joined():
    padding = stretch(Padding(buckets=(2, 4), mask="mask"), SEQUENCE)
    keys = [
        waiting(ask(1, [[0] * width]), 0, batched=True, stretch=padding).key
        for width in (1, 2, 3, 4, 5)
    ]
    assert keys[0] == keys[1] != keys[2] == keys[3] != keys[4]


def test_a_mask_that_comes_with_the_request_is_kept_and_ends_with_zeros():
    first = ask(1, [[1, 2]])
    mask = Tensor("mask", Datatype.INT64, (1, 2), np.array([0, 1], "<i8").tobytes())
    first = Infer(1, (*first.inputs, mask))
    model = Sequences()
    limits = Limits(8, 0, (), stretch(Padding(buckets=(4,), mask="mask"), SEQUENCE))
    entry = waiting(first, 0, batched=True, stretch=limits.stretch)

    (ending,) = execute(model, [entry], 0, limits)

    sums = {one.name: bytes(one.data) for one in ending.outputs}["sum"]
    assert np.frombuffer(sums, "<i8").tolist() == [2]


def test_a_model_is_shown_with_its_mask_left_to_the_worker():
    limits = Limits(8, 0, (), stretch(PAD, SEQUENCE))
    filled = Filled(Sequences(), limits)

    assert [one.optional for one in filled.signature.inputs] == [False, True, False]
    found = filled.infer(ask(1, [[1, 2]]).inputs, ["sum"])
    assert np.frombuffer(found[0].data, "<i8").tolist() == [3]


@pytest.mark.parametrize(
    ("padding", "words"),
    [
        (Padding(mask="no"), "'no' is no input"),
        (Padding(mask="word"), "'word' is no input of numbers"),
    ],
)
def test_a_mask_that_cannot_be_is_refused(padding, words):
    with pytest.raises(ValueError, match=words):
        stretch(padding, SEQUENCE)


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        (TensorSpec("x", Datatype.FP32, (-1, 3)), "no input has an open dimension"),
        (TensorSpec("x", Datatype.BYTES, (-1, -1)), "'x' is BYTES"),
    ],
)
def test_what_cannot_be_filled_up_is_refused(spec, words):
    with pytest.raises(ValueError, match=words):
        stretch(Padding(), Signature((spec,), ()))


@given(st.integers(0, 99), st.sets(st.integers(1, 64), max_size=6).map(sorted))
def test_sizes_go_up_to_the_next_one_there_is(size, buckets):
    held = [one for one in buckets if one >= size]
    assert up_to(size, buckets) == (held[0] if held else size)
