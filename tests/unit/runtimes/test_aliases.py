"""Clients use the names that the settings give; the model gets its own."""

import pytest

from runtimes.aliases import Renamed, as_artifact_names, check_known
from runtimes.contract.messages import ModelSpec
from runtimes.contract.tensor import Datatype, Signature, Tensor, TensorSpec
from runtimes.functions import functions
from runtimes.runtime import LoadError


def spec_of(name):
    return TensorSpec(name, Datatype.UINT8, (-1,))


class Swapper:
    """Gives `a` as `y` and `b` as `x`."""

    signature = Signature((spec_of("a"), spec_of("b")), (spec_of("x"), spec_of("y")))
    max_batch_size = 4
    device = "cpu"
    facts = {"framework": "none"}

    def infer(self, inputs, outputs):
        given = {one.name: one.data for one in inputs}
        sources = {"x": "b", "y": "a"}
        return [Tensor(one, Datatype.UINT8, (1,), given[sources[one]]) for one in outputs]


def test_names_are_changed_on_the_way_in_and_back_on_the_way_out():
    model = Renamed(Swapper(), {"a": "image", "y": "scores"})

    assert [one.name for one in model.signature.inputs] == ["image", "b"]
    assert [one.name for one in model.signature.outputs] == ["x", "scores"]
    inputs = [
        Tensor(name, Datatype.UINT8, (1,), data) for name, data in (("b", b"B"), ("image", b"A"))
    ]
    answers = model.infer(inputs, ["scores", "x"])
    assert [(one.name, one.data) for one in answers] == [("scores", b"A"), ("x", b"B")]
    assert (model.max_batch_size, model.device, model.facts) == (4, "cpu", {"framework": "none"})


def test_two_inputs_may_change_places():
    model = Renamed(Swapper(), {"a": "b", "b": "a"})
    inputs = [Tensor(name, Datatype.UINT8, (1,), name.encode()) for name in ("a", "b")]

    assert [one.data for one in model.infer(inputs, ["x", "y"])] == [b"a", b"b"]


def test_two_inputs_cannot_have_one_name():
    with pytest.raises(LoadError, match="inputs 'a' and 'b' would both be 'b'"):
        Renamed(Swapper(), {"a": "b"})


def test_an_alias_of_nothing_is_refused_with_the_names_there_are():
    with pytest.raises(LoadError, match="no input or output 'c'; it has 'a', 'b', 'x', 'y'"):
        check_known({"c": "d"}, [Swapper()])


def test_declared_tensors_are_held_against_the_artifact_under_its_names():
    spec = ModelSpec("m", 1, "onnx", "/x", inputs=(spec_of("image"),), aliases={"a": "image"})

    assert as_artifact_names(spec).inputs == (spec_of("a"),)


def test_a_worker_asks_a_model_by_its_aliases():
    (one,) = functions(Swapper(), ModelSpec("m", 1, "onnx", "/x", aliases={"a": "image"}))

    assert [spec.name for spec in one.described().signature.inputs] == ["image", "b"]
