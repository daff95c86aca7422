"""Requests are read from what TensorFlow Serving's own classes have written."""

import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtimes.prediction_log import Logged, NotRunError, requests_of
from runtimes.proto_fields import MalformedError, fields

FILE = Path(__file__).parents[2] / "contract" / "data" / "prediction_logs.tfrecord"


def cut(data):
    """The records of a TFRecord file: length, its CRC, content, its CRC."""
    records = []
    while data:
        (length,) = struct.unpack_from("<Q", data)
        records.append(data[12 : 12 + length])
        data = data[16 + length :]
    return records


PREDICT, CLASSIFY, REGRESS, MULTI, SESSION_RUN = cut(FILE.read_bytes())


def test_a_predict_log_has_tensors_by_name():
    (request,) = requests_of(PREDICT)

    assert (request.signature, request.examples) == ("predict_scores", ())
    (tensor,) = [request.tensors["x"]]
    assert dict(fields(tensor))[1] == 1  # DT_FLOAT
    assert bytes(dict(fields(tensor))[4]) == struct.pack("<2f", 3, 5)  # tensor_content


def test_a_classify_log_has_examples_for_the_default_signature():
    (request,) = requests_of(CLASSIFY)

    assert (request.signature, request.tensors) == ("", {})
    first, second = request.examples
    assert struct.pack("<f", 1) in first
    assert struct.pack("<f", 2) in second


def test_a_context_comes_before_each_example():
    (request,) = requests_of(REGRESS)

    first, second = request.examples
    assert request.signature == "regress_size"
    assert first.index(struct.pack("<f", 9)) < first.index(struct.pack("<f", 8))
    assert first.startswith(second)


def test_a_multi_inference_log_is_a_request_for_each_task():
    requests = requests_of(MULTI)

    assert [one.signature for one in requests] == ["serving_default", "regress_size"]
    assert requests[0].examples == requests[1].examples
    assert len(requests[0].examples) == 1


@pytest.mark.parametrize(
    ("record", "words"), [(SESSION_RUN, "is a session_run_log; predict_log,"), (b"", "no request")]
)
def test_what_is_not_run_is_told(record, words):
    with pytest.raises(NotRunError, match=words):
        requests_of(record)


@given(st.sampled_from([PREDICT, CLASSIFY, REGRESS, MULTI]), st.data())
def test_damage_is_noticed_or_harmless(record, data):
    at = data.draw(st.integers(0, len(record) - 1))
    damaged = record[:at] + data.draw(st.binary(max_size=3)) + record[at + 1 :]
    try:
        found = requests_of(damaged)
    except (MalformedError, NotRunError):
        return
    assert all(isinstance(one, Logged) for one in found)
