"""Every signature of a model is asked within limits of its own."""

import pytest

from runtimes.contract.messages import Batching, ModelSpec, Padding
from runtimes.contract.tensor import PREDICT, Datatype, NamedSignature, Signature, TensorSpec
from runtimes.functions import by_request, functions
from runtimes.runtime import LoadError

CLASSIFY = "tensorflow/serving/classify"


class Model:
    device = "cpu"
    facts: dict[str, str] = {}

    def __init__(self, shape, rows):
        spec = TensorSpec("x", Datatype.FP32, shape)
        self.signature = Signature((spec,), (spec,))
        self.max_batch_size = rows

    def infer(self, inputs, outputs):
        return inputs


class Several(Model):
    def __init__(self, shape, rows, **others):
        super().__init__(shape, rows)
        self.signatures = {**others, "main": self}
        self.not_to_try = {"aside": "it writes"}
        self.recorded = tuple
        self.method_names = {"main": PREDICT} | dict.fromkeys(others, CLASSIFY)


def spec(**settings):
    return ModelSpec("m", 1, "savedmodel", "/x", **settings)


def test_a_model_that_tells_no_names_has_one_signature():
    model = Model((-1, 2), 8)

    (one,) = functions(model, spec())

    assert one.described() == NamedSignature(model.signature, 8, "serving_default", PREDICT)
    assert not one.limits.max_rows


def test_the_default_comes_first_and_answers_where_no_name_is_given():
    other = Model((3,), 0)
    found = functions(Several((-1, 2), 8, aside=other), spec())

    assert [(one.name, one.method_name) for one in found] == [
        ("main", PREDICT),
        ("aside", CLASSIFY),
    ]
    asked = by_request(found)
    assert asked[""] is asked["main"]
    assert asked["aside"].model is other
    assert (asked["main"].not_to_try, asked["aside"].not_to_try) == ("", "it writes")


def test_only_signatures_with_a_batch_dimension_are_joined():
    settings = spec(batching=Batching(5, (4, 8)))
    joined, alone = functions(Several((-1, 2), 8, aside=Model((3,), 0)), settings)

    assert (joined.limits.max_rows, joined.limits.allowed_rows) == (8, (4, 8))
    assert joined.limits.batched
    assert (alone.limits.max_rows, alone.limits.allowed_rows) == (0, ())
    assert not alone.limits.batched


def test_batching_for_all_models_is_left_out_where_it_does_not_fit():
    settings = spec(batching=Batching(5, (8,), Padding(), usual_rows=8))
    joined, alone = functions(Several((-1, 2), 8, aside=Model((3,), 0)), settings)

    assert (joined.limits.max_rows, joined.limits.allowed_rows) == (8, (8,))
    assert joined.limits.stretch is None
    assert (alone.limits.max_rows, alone.limits.batched) == (0, False)


def test_padding_must_fit_the_default_and_fills_up_others_where_it_can():
    settings = spec(batching=Batching(pad=Padding()))
    stretched, fixed = functions(Several((-1, -1), 8, aside=Model((-1, 2), 8)), settings)

    assert stretched.limits.stretch is not None
    assert fixed.limits.stretch is None
    with pytest.raises(LoadError, match="no input has an open dimension"):
        functions(Model((-1, 2), 8), settings)
