"""All signatures of a SavedModel are served: those of TF1 and of Keras 3 exports among them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from runtimes.contract.messages import Batching, ModelSpec
from runtimes.contract.tensor import (
    PREDICT,
    Datatype,
    Tensor,
    TensorSpec,
    pack_bytes,
    unpack_bytes,
)
from runtimes.functions import functions
from runtimes.runtime import LoadError
from runtimes.savedmodel_signatures import method_names
from runtimes.warmup_all import warm_up_all

CLASSIFY = "tensorflow/serving/classify"
REGRESS = "tensorflow/serving/regress"


def load(models, folder: Path, **settings):
    return models.load(ModelSpec("m", 1, "savedmodel", str(folder), **settings))


def example(size: float) -> bytes:
    feature = tf.train.Feature(float_list=tf.train.FloatList(value=[size]))
    return tf.train.Example(
        features=tf.train.Features(feature={"size": feature})
    ).SerializeToString()


def test_a_tf1_export_answers_by_all_its_signatures(models, exports, fp32):
    model = load(models, exports.tf1)
    given = Tensor("inputs", Datatype.BYTES, (2,), pack_bytes([example(1), example(3)]))

    classes, scores = model.infer([given], ["classes", "scores"])
    (sizes,) = model.signatures["regress_size"].infer([given], ["outputs"])
    (direct,) = model.signatures["predict_scores"].infer([fp32("x", [[3]])], ["scores"])

    assert unpack_bytes(classes.data) == [b"small", b"large"] * 2
    assert np.frombuffer(scores.data, "<f4").tolist() == [-1, 1, -3, 3]
    assert np.frombuffer(sizes.data, "<f4").tolist() == [2, 6]
    assert np.frombuffer(direct.data, "<f4").tolist() == [-3, 3]
    assert model.method_names == {
        "serving_default": CLASSIFY,
        "regress_size": REGRESS,
        "predict_scores": PREDICT,
    }
    assert "inconclusive" in model.facts["probe"]


def test_a_graph_that_is_no_message_tells_no_method_names(tmp_path):
    assert method_names(str(tmp_path)) == {}
    for damaged in (b"", b"\x12\x7f", b"\x12\x03\x2a\x05a", b"meta_graphs {"):
        (tmp_path / "saved_model.pb").write_bytes(damaged)
        assert method_names(str(tmp_path)) == {}


def test_a_keras_export_has_names_that_stay_when_it_is_exported_again(models, exports, fp32):
    model = load(models, exports.keras)

    assert [one.name for one in model.signature.inputs] == ["input_0", "input_1"]
    inputs = [fp32("input_1", [[1, 2]]), fp32("input_0", [[10, 20]])]
    difference, total = model.infer(inputs, ["output_0", "output_1"])

    assert np.frombuffer(difference.data, "<f4").tolist() == [9, 18]
    assert np.frombuffer(total.data, "<f4").tolist() == [11, 22]
    assert set(model.signatures) == {"serving_default", "serve"}


def test_a_default_must_be_chosen_where_none_is_plain(models, exports):
    with pytest.raises(LoadError, match=r"'double', 'fixed', 'learn', 'waves', none of them"):
        load(models, exports.several)


def test_every_signature_has_a_batch_axis_or_none_of_its_own(models, exports, fp32):
    spec = ModelSpec("m", 1, "savedmodel", str(exports.several), options={"signature": "double"})
    spec = replace(spec, max_batch_size=8, batching=Batching())
    found = functions(models.load(spec), spec)

    told = {one.name: one.described().max_batch_size for one in found}
    assert told == {"double": 8, "fixed": 0, "learn": 0}
    assert found[1].described().signature.inputs == (TensorSpec("x", Datatype.FP32, (3,)),)
    (answer,) = found[1].model.infer([fp32("x", [1, 2, 3])], ["y"])
    assert np.frombuffer(answer.data, "<f4").tolist() == [2, 3, 4]


def test_what_cannot_be_asked_is_left_out_and_says_why(models, exports):
    model = load(models, exports.several, options={"signature": "fixed"})

    assert "waves" not in model.signatures
    assert "'waves': output 'z' is complex64" in model.facts["signatures left out"]


def test_a_signature_that_writes_is_run_by_requests_alone(models, exports, fp32):
    spec = ModelSpec("m", 1, "savedmodel", str(exports.several), options={"signature": "double"})
    model = models.load(spec)

    said = warm_up_all(functions(model, spec), spec, 1)
    (total,) = model.signatures["learn"].infer([fp32("x", [[1, 2]])], ["total"])

    assert "learn: not run, it changes the model or files (AssignAddVariableOp)" in said
    assert np.frombuffer(total.data, "<f4").tolist() == [3]
