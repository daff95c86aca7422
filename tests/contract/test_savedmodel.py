"""What only SavedModels do: several signatures, strings, types no request can carry."""

from __future__ import annotations

from dataclasses import replace

import pytest
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2

from runtimes.contract.messages import ModelSpec
from runtimes.contract.tensor import Datatype, Tensor, TensorSpec, pack_bytes, unpack_bytes
from runtimes.runtime import LoadError, ModelError


@pytest.fixture
def publish(models, build):
    """Save a function of the given tf.TensorSpecs."""

    def make(function, inputs, name="serving_default", **state) -> ModelSpec:
        folder = models.folder()
        build.tf(function, inputs, folder, name, **state)
        return ModelSpec("m", 1, "savedmodel", str(folder))

    return make


FLOATS = tf.TensorSpec([None, 2], tf.float32, name="x")


def test_a_signature_that_is_not_there_is_refused_with_those_that_are(models, publish):
    spec = publish(lambda x: {"y": x + 1}, [FLOATS], name="embed")
    with pytest.raises(LoadError, match="no signature 'other'; it has 'embed'"):
        models.load(replace(spec, options={"signature": "other"}))


def test_the_option_chooses_another_signature(models, publish):
    spec = publish(lambda x: {"y": x + 1}, [FLOATS], name="embed")
    model = models.load(replace(spec, options={"signature": "embed"}))
    assert model.facts["signature"] == "embed"


def test_a_model_without_signatures_is_refused_with_what_to_do(models):
    folder = models.folder()
    tf.saved_model.save(tf.Module(), str(folder))
    with pytest.raises(LoadError, match=r"Save it with tf.saved_model.save"):
        models.load(ModelSpec("m", 1, "savedmodel", str(folder)))


def test_strings_of_any_bytes_go_in_and_out(models, publish):
    spec = publish(
        lambda t: {"joined": tf.strings.join([t, t])}, [tf.TensorSpec([None], tf.string, name="t")]
    )
    data = pack_bytes([b"\xff\0", b""])
    (answer,) = models.load(spec).infer([Tensor("t", Datatype.BYTES, (2,), data)], ["joined"])
    assert unpack_bytes(answer.data) == [b"\xff\0\xff\0", b""]


def test_a_complex_output_is_refused_by_name(models, publish):
    spec = publish(lambda x: {"z": tf.complex(x, x)}, [FLOATS])
    with pytest.raises(LoadError, match="output 'z' is complex64, which no request can carry"):
        models.load(spec)


def test_an_unknown_rank_asks_for_a_declared_shape(models, publish):
    spec = publish(lambda x: {"y": x + 1}, [tf.TensorSpec(None, tf.float32, name="x")])
    with pytest.raises(LoadError, match=r"does not tell the rank of input 'x'. Declare the inputs"):
        models.load(spec)


def test_a_declared_shape_stands_in_for_an_unknown_rank(models, publish, fp32):
    spec = publish(lambda x: {"y": x + 1}, [tf.TensorSpec(None, tf.float32, name="x")])
    declared = replace(
        spec,
        inputs=(TensorSpec("x", Datatype.FP32, (-1, 2)),),
        outputs=(TensorSpec("y", Datatype.FP32, (-1, 2)),),
    )
    model = models.load(declared)
    assert model.signature.inputs[0].shape == (-1, 2)
    assert model.infer([fp32("x", [[1, 2]])], ["y"])[0].shape == (1, 2)


def test_inputs_without_a_declaration_are_in_a_stable_order(models, publish):
    specs = [tf.TensorSpec([None], tf.float32, name=name) for name in ("zeta", "alpha", "mid")]
    spec = publish(lambda zeta, alpha, mid: {"y": zeta + alpha + mid}, specs)
    names = [item.name for item in models.load(spec).signature.inputs]
    assert names == ["alpha", "mid", "zeta"]


def test_variables_and_tables_outlive_the_load(models, publish, fp32):
    factor = tf.Variable([[2.0, 4.0]])
    spec = publish(lambda x: {"y": x * factor}, [FLOATS], factor=factor)
    model = models.load(spec)
    import gc

    gc.collect()
    (answer,) = model.infer([fp32("x", [[1, 1]])], ["y"])
    assert bytes(answer.data) == bytes(fp32("y", [[2, 4]]).data)


def test_a_missing_variables_file_fails_the_load(models, publish):
    from pathlib import Path

    factor = tf.Variable(2.0)
    spec = publish(lambda x: {"y": x * factor}, [FLOATS], factor=factor)
    for file in (Path(spec.artifact) / "variables").iterdir():
        file.unlink()
    with pytest.raises(LoadError, match=r"TensorFlow cannot load it: .*variables") as caught:
        models.load(spec)
    assert str(Path(spec.artifact).parent.parent) not in str(caught.value)


def test_an_unknown_operator_is_named(models, publish):
    from pathlib import Path

    spec = publish(lambda x: {"y": tf.exp(x)}, [FLOATS])
    file = Path(spec.artifact) / "saved_model.pb"
    saved = saved_model_pb2.SavedModel.FromString(file.read_bytes())
    for function in saved.meta_graphs[0].graph_def.library.function:
        for node in function.node_def:
            node.op = "Frobnicate" if node.op == "Exp" else node.op
    (Path(spec.artifact) / "fingerprint.pb").unlink()
    file.write_bytes(saved.SerializeToString())
    with pytest.raises(LoadError, match="Frobnicate"):
        models.load(spec)


def test_a_failing_request_gives_a_reason_without_paths(models, publish, fp32):
    spec = publish(
        lambda x, i: {"y": tf.gather(x, i)}, [FLOATS, tf.TensorSpec([None], tf.int32, name="i")]
    )
    model = models.load(spec)
    index = Tensor("i", Datatype.INT32, (1,), (9).to_bytes(4, "little"))
    with pytest.raises(ModelError, match="= 9 is not in") as caught:
        model.infer([fp32("x", [[1, 2]]), index], ["y"])
    assert "/work" not in str(caught.value)
