"""Reading a Predict request by plan means what the general way means, and copies nothing."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from protos import tf_core_pb2 as core
from protos import tfs_api_pb2 as pb
from server.errors import ServingError
from server.frontends.tf_serving.predict_codec import PredictCall, decode_predict
from server.frontends.tf_serving.predict_plan import decode_planned

LIMIT = 2**20


def request(**inputs: core.TensorProto) -> pb.PredictRequest:
    message = pb.PredictRequest(output_filter=["y"])
    message.model_spec.name = "half"
    message.model_spec.version.value = 3
    message.model_spec.signature_name = "s"
    for name, tensor in inputs.items():
        message.inputs[name].CopyFrom(tensor)
    return message


def floats(*values: float, **fields) -> core.TensorProto:
    found = core.TensorProto(dtype=core.DT_FLOAT, **fields)
    found.tensor_shape.dim.add(size=len(values))
    found.tensor_content = np.array(values, "<f4").tobytes()
    return found


def plain(call: PredictCall) -> tuple[object, ...]:
    named = {t.name: (t.datatype, t.shape, bytes(t.data)) for t in call.inputs}
    return call.choice, call.outputs, named


@pytest.mark.parametrize("count", [1, 2, 5])
def test_raw_contents_are_read_by_plan_without_a_copy(count):
    payload = request(**{f"x{i}": floats(i, 2.0) for i in range(count)}).SerializeToString()

    planned = decode_planned(payload)

    assert planned is not None
    assert plain(planned) == plain(decode_predict(payload, LIMIT))
    for tensor in planned.inputs:
        assert isinstance(tensor.data, memoryview)
        assert tensor.data.obj is payload


def test_a_packed_list_of_floats_is_as_good_as_raw_contents():
    listed = core.TensorProto(dtype=core.DT_DOUBLE, double_val=[1.0, 2.0])
    listed.tensor_shape.dim.add(size=2)
    payload = request(x=listed).SerializeToString()

    planned = decode_planned(payload)

    assert planned is not None
    assert plain(planned) == plain(decode_predict(payload, LIMIT))


@pytest.mark.parametrize(
    "tensor",
    [
        core.TensorProto(dtype=core.DT_STRING, string_val=[b"x"]),
        core.TensorProto(dtype=core.DT_FLOAT, float_val=[1.0, 2.0]),
        core.TensorProto(dtype=core.DT_INT32, int_val=[1]),
        floats(1.0, float_val=[1.0]),
        core.TensorProto(dtype=core.DT_FLOAT, tensor_content=b"abc"),
        core.TensorProto(),
    ],
)
def test_what_has_to_be_looked_at_is_left_to_the_general_way(tensor):
    assert decode_planned(request(x=tensor).SerializeToString()) is None


def test_one_name_twice_is_left_to_the_general_way():
    payload = request(x=floats(1.0)).SerializeToString()
    again = pb.PredictRequest(inputs={"x": floats(2.0)}).SerializeToString()

    assert decode_planned(payload + again) is None
    assert plain(decode_predict(payload + again, LIMIT))[2]["x"][2] == floats(2.0).tensor_content


@given(st.integers(0, 200), st.binary(max_size=3), st.integers(0, 3))
def test_no_bytes_are_read_otherwise_than_the_general_way_reads_them(at, patch, cut):
    payload = bytearray(request(x=floats(1.0, 2.0), y=floats(3.0)).SerializeToString())
    at = min(at, len(payload))
    payload[at : at + cut] = patch

    planned = decode_planned(bytes(payload))

    if planned is not None:
        try:
            expected = decode_predict(bytes(payload), LIMIT)
        except ServingError as error:
            pytest.fail(f"the general way refuses it: {error}")
        assert plain(planned) == plain(expected)
