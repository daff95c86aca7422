"""The requests that TensorFlow Serving would warm up with are run before a SavedModel is ready."""

from __future__ import annotations

import shutil
import struct
from pathlib import Path

import pytest
import tensorflow as tf

from runtimes.contract.messages import ModelSpec
from runtimes.functions import functions
from runtimes.runtime import LoadError
from runtimes.serving_warmup import MAX_RECORDS
from runtimes.warmup_all import warm_up_all

RECORDED = (Path(__file__).parent / "data" / "prediction_logs.tfrecord").read_bytes()


def records(data: bytes) -> list[bytes]:
    """Whole records, lengths and checksums included."""
    found = []
    while data:
        size = 16 + struct.unpack_from("<Q", data)[0]
        found.append(data[:size])
        data = data[size:]
    return found


*GOOD, SESSION_RUN = records(RECORDED)


@pytest.fixture
def warm(models, exports):
    """Warm up the TF1 export with the given file beside it."""

    def run(recorded: bytes, **settings) -> str:
        folder = models.folder()
        shutil.copytree(exports.tf1, folder, dirs_exist_ok=True)
        (folder / "assets.extra").mkdir()
        (folder / "assets.extra" / "tf_serving_warmup_requests").write_bytes(recorded)
        spec = ModelSpec("m", 1, "savedmodel", str(folder), **settings)
        model = models.load(spec)
        return warm_up_all(functions(model, spec), spec, 1, model.recorded())

    return run


def written(folder: Path, *messages: bytes) -> bytes:
    """A TFRecord file of `messages`."""
    with tf.io.TFRecordWriter(str(folder / "file")) as writer:
        for message in messages:
            writer.write(message)
    return (folder / "file").read_bytes()


def predict(tensor, name="x", signature="predict_scores") -> bytes:
    """A PredictionLog, field by field."""

    def field(number, data):
        assert len(data) < 128
        return bytes([number << 3 | 2, len(data)]) + data

    entry = field(1, name.encode()) + field(2, tensor.SerializeToString())
    return field(6, field(1, field(1, field(3, signature.encode())) + field(2, entry)))


def test_every_kind_of_request_runs_by_its_signature(warm):
    assert warm(b"".join(GOOD)) == (
        "2 samples, batch sizes 1; predict_scores: 1 sample, batch sizes 1; "
        "regress_size: 2 samples, batch sizes 1"
    )


def test_requests_use_the_artifacts_names_whatever_clients_use(warm):
    assert "predict_scores: 1 sample" in warm(b"".join(GOOD), aliases={"x": "size"})


@pytest.mark.parametrize(
    ("recorded", "words"),
    [
        (
            b"".join([*GOOD, SESSION_RUN]),
            "record 5: is a session_run_log; predict_log, classify_log",
        ),
        (GOOD[0] + GOOD[1][:-1] + b"?", "record 2: its checksum does not agree"),
        (GOOD[0] + GOOD[1][:-1], "record 2: says that it has .* but the file ends before"),
        (GOOD[0] + b"abc", "record 2: the file ends in the middle"),
        (struct.pack("<Q", 2**62) + bytes(8), f"record 1: says that it has {2**62} bytes"),
        (GOOD[0] * (MAX_RECORDS + 1), "holds more than 1000 records"),
    ],
)
def test_a_bad_file_fails_the_load_and_names_the_record(warm, recorded, words):
    with pytest.raises(LoadError, match=f"tf_serving_warmup_requests {words}"):
        warm(recorded)


@pytest.mark.parametrize(
    ("message", "words"),
    [
        (b"not a log", "is no PredictionLog"),
        (
            predict(tf.make_tensor_proto([[1.0]]), signature="none"),
            "asks for signature 'none'; the",
        ),
        (predict(tf.make_tensor_proto([[1.0]]), name="z"), "unknown input 'z'"),
        (predict(tf.make_tensor_proto([[1]])), "input 'x' is INT32, expected FP32"),
        (predict(tf.make_tensor_proto([1.0])), r"has the shape \[1\], expected \[-1, 1\]"),
        (predict(tf.make_tensor_proto(1.0, shape=[2**20, 2**20])), "more than 268435456 bytes"),
        (predict(tf.make_tensor_proto([[1j]])), "of a type that no request can carry"),
    ],
)
def test_a_request_that_does_not_fit_fails_the_load(warm, tmp_path, message, words):
    with pytest.raises(LoadError, match=f"tf_serving_warmup_requests record 1.*{words}"):
        warm(written(tmp_path, message))
