"""What does not fit a model's signature is refused before it can hurt a batch, and says why."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtimes.contract.tensor import (
    ITEM_SIZE,
    MAX_ELEMENTS,
    MAX_RANK,
    Datatype,
    Signature,
    Tensor,
    TensorSpec,
    pack_bytes,
)
from server import inference
from server.errors import InvalidArgument
from server.inference import InferenceRequest, check, check_shape, check_size, is_binary_only

SIGNATURE = Signature(
    inputs=(
        TensorSpec("a", Datatype.FP32, (-1, 2)),
        TensorSpec("b", Datatype.INT64, (-1,)),
        TensorSpec("hint", Datatype.BOOL, (-1,), optional=True),
    ),
    outputs=(TensorSpec("y", Datatype.FP32, (-1, 3)), TensorSpec("z", Datatype.FP32, (-1,))),
)


def tensor(name="a", datatype=Datatype.FP32, shape=(1, 2)) -> Tensor:
    return Tensor(name, datatype, shape, b"")


A = tensor()
B = tensor("b", Datatype.INT64, (1,))
GOOD = InferenceRequest("m", (A, B))


@pytest.mark.parametrize(
    "request_",
    [
        GOOD,
        replace(GOOD, inputs=(B, A)),
        replace(GOOD, inputs=(A, B, tensor("hint", Datatype.BOOL, (1,)))),
        replace(GOOD, outputs=("z", "y")),
        replace(GOOD, inputs=(tensor(shape=(8, 2)), tensor("b", Datatype.INT64, (8,)))),
        replace(GOOD, inputs=(tensor(shape=(0, 2)), tensor("b", Datatype.INT64, (0,)))),
    ],
    ids=["plain", "any order", "optional given", "outputs chosen", "full batch", "empty batch"],
)
def test_a_request_that_fits_passes(request_):
    check(request_, SIGNATURE, 8)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (
            {"inputs": (A, B, A)},
            "input(s) ['a'] given more than once",
        ),
        (
            {"inputs": (A, B, tensor("c"))},
            "unexpected inference input 'c' for model 'm'. Its inputs are ['a', 'b', 'hint']",
        ),
        (
            {"inputs": (A,)},
            "expected 2 inputs but got 1 inputs for model 'm'. Got input(s) ['a'], but missing "
            "required input(s) ['b']. Please provide all required input(s).",
        ),
        (
            {"inputs": ()},
            "expected 2 inputs but got 0 inputs for model 'm'. Got input(s) [], but missing "
            "required input(s) ['a', 'b']. Please provide all required input(s).",
        ),
        (
            {"inputs": (replace(A, datatype=Datatype.FP64), B)},
            "inference input 'a' data-type is 'FP64', but model 'm' expects 'FP32'",
        ),
        (
            {"inputs": (tensor(shape=(1, 3)), B)},
            "unexpected shape for input 'a' for model 'm'. Expected [-1,2], got [1,3]",
        ),
        (
            {"inputs": (tensor(shape=(1, 2, 1)), B)},
            "unexpected shape for input 'a' for model 'm'. Expected [-1,2], got [1,2,1]",
        ),
        (
            {"inputs": (tensor(shape=()), B)},
            "unexpected shape for input 'a' for model 'm'. Expected [-1,2], got []",
        ),
        (
            {"inputs": (tensor(shape=(2, 2)), B)},
            "inputs of model 'm' have different batch sizes [1, 2]; expected one size for all",
        ),
        (
            {"inputs": (tensor(shape=(9, 2)), tensor("b", Datatype.INT64, (9,)))},
            "inference request batch-size must be <= 8 for 'm', got 9. Send fewer rows, or raise "
            "max_batch_size in the model's model.yaml",
        ),
        (
            {"outputs": ("y", "w")},
            "unexpected inference output 'w' for model 'm'. Its outputs are ['y', 'z']",
        ),
        ({"outputs": ("y", "y")}, "an output is requested more than once"),
    ],
    ids=lambda value: value[:40] if isinstance(value, str) else "",
)
@pytest.mark.parametrize("id_", ["", "r7"])
def test_a_request_that_does_not_fit_is_refused_with_what_was_expected(change, text, id_):
    with pytest.raises(InvalidArgument) as refusal:
        check(replace(GOOD, id=id_, **change), SIGNATURE, 8)

    assert refusal.value.message == (f"[request id: {id_}] " if id_ else "") + text


def test_without_a_batch_dimension_rows_are_not_counted():
    request = replace(GOOD, inputs=(tensor(shape=(100, 2)), tensor("b", Datatype.INT64, (7,))))

    check(request, SIGNATURE, 0)


# ---- what passes, fits --------------------------------------------------------------------------

names = st.sampled_from(["a", "b", "hint", "stranger"])
datatypes = st.sampled_from([Datatype.FP32, Datatype.INT64, Datatype.BOOL])
shapes = st.lists(st.integers(0, 4), max_size=3).map(tuple)
tensors = st.builds(tensor, names, datatypes, shapes)
fitting = st.integers(0, 5).map(
    lambda rows: [tensor(shape=(rows, 2)), tensor("b", Datatype.INT64, (rows,))]
)
requests = st.builds(
    InferenceRequest,
    st.just("m"),
    st.one_of(st.lists(tensors, max_size=4), fitting).map(tuple),
    outputs=st.lists(st.sampled_from(["y", "z", "w"]), max_size=2).map(tuple),
)


@given(requests, st.integers(0, 4))
def test_a_request_that_passes_fits_the_signature_and_the_batch(request, max_batch_size):
    try:
        check(request, SIGNATURE, max_batch_size)
    except InvalidArgument:
        return

    given_ = {item.name: item for item in request.inputs}
    assert len(given_) == len(request.inputs)
    assert {"a", "b"} <= given_.keys() <= {"a", "b", "hint"}
    for spec in SIGNATURE.inputs:
        if spec.name in given_:
            found = given_[spec.name]
            assert found.datatype is spec.datatype
            assert len(found.shape) == len(spec.shape)
            assert all(want in (-1, got) for want, got in zip(spec.shape, found.shape, strict=True))
    if max_batch_size:
        (rows,) = {item.shape[0] for item in request.inputs}
        assert rows <= max_batch_size
    assert set(request.outputs) <= {"y", "z"}
    assert len(set(request.outputs)) == len(request.outputs)


# ---- sizes, which codecs check ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("datatype", "shape", "data"),
    [
        (Datatype.FP32, (2, 3), bytes(24)),
        (Datatype.FP32, (), bytes(4)),
        (Datatype.FP64, (0, 5), b""),
        (Datatype.BF16, (3,), bytes(6)),
        (Datatype.BYTES, (2,), pack_bytes([b"", b"abc"])),
        (Datatype.BYTES, (0,), b""),
        (Datatype.BYTES, (), pack_bytes([b"x"])),
    ],
)
def test_a_tensor_whose_buffer_is_exactly_its_size_passes(datatype, shape, data):
    check_size(Tensor("x", datatype, shape, data))


@pytest.mark.parametrize(
    ("datatype", "shape", "data", "text"),
    [
        (Datatype.FP32, (2, 3), bytes(23), "input 'x' has 23 bytes, expected 24 for FP32 [2,3]"),
        (Datatype.INT8, (1,), b"", "input 'x' has 0 bytes, expected 1 for INT8 [1]"),
        (Datatype.FP32, (), bytes(8), "input 'x' has 8 bytes, expected 4 for FP32 []"),
        (
            Datatype.BYTES,
            (3,),
            pack_bytes([b"a", b"b"]),
            "input 'x' has 2 BYTES elements, expected 3 for shape [3]",
        ),
        (
            Datatype.BYTES,
            (1,),
            b"\x05\x00\x00\x00abc",
            "input 'x': a BYTES element says it has 5 bytes but only 3 follow",
        ),
        (
            Datatype.BYTES,
            (1,),
            pack_bytes([b"a"]) + b"\x01",
            "input 'x': 1 stray bytes follow the last BYTES element",
        ),
        (Datatype.FP32, (-1,), b"", "input 'x' has dimension -1, expected 0 or more"),
    ],
    ids=lambda value: value[:40] if isinstance(value, str) else "",
)
def test_a_buffer_of_another_size_is_refused(datatype, shape, data, text):
    with pytest.raises(InvalidArgument) as refusal:
        check_size(Tensor("x", datatype, shape, data))

    assert refusal.value.message == text


@pytest.mark.parametrize(
    ("shape", "text"),
    [
        ((1,) * (MAX_RANK + 1), f"input 'x' has rank 17, expected at most {MAX_RANK}"),
        ((2, -5), "input 'x' has dimension -5, expected 0 or more"),
        (
            (2**32, 2**32),
            f"input 'x' has {2**64} elements, expected at most {MAX_ELEMENTS}",
        ),
    ],
)
def test_an_impossible_shape_is_refused(shape, text):
    with pytest.raises(InvalidArgument) as refusal:
        check_shape("x", shape)

    assert refusal.value.message == text


@given(st.sampled_from(sorted(ITEM_SIZE)), shapes, st.integers(0, 600))
def test_only_the_exact_number_of_bytes_passes(datatype, shape, size):
    expected = ITEM_SIZE[datatype]
    for dim in shape:
        expected *= dim
    found = Tensor("x", datatype, shape, bytes(size))

    if size == expected:
        check_size(found)
    else:
        with pytest.raises(InvalidArgument):
            check_size(found)


def test_only_the_halves_are_binary_only():
    assert {item for item in Datatype if is_binary_only(item)} == {Datatype.FP16, Datatype.BF16}


@given(
    st.lists(
        st.builds(
            tensor,
            st.sampled_from(["a", "b", "hint", "other"]),
            st.sampled_from([Datatype.FP32, Datatype.INT64, Datatype.BOOL]),
            st.lists(st.integers(0, 3), max_size=2).map(tuple),
        ),
        max_size=4,
    ),
    st.lists(st.sampled_from(["y", "z", "other"]), max_size=3).map(tuple),
    st.integers(0, 2),
    st.integers(1, 3),
)
def test_the_quick_look_lets_nothing_pass_that_the_close_one_refuses(
    inputs, outputs, max_batch_size, count
):
    request = InferenceRequest("m", tuple(inputs), outputs=outputs)
    signature = replace(SIGNATURE, inputs=SIGNATURE.inputs[:count])
    if inference._plainly_fits(request, signature, max_batch_size):
        inference._check_closely(request, signature, max_batch_size)


def test_the_quick_look_suffices_for_a_plain_request():
    plain = replace(SIGNATURE, inputs=SIGNATURE.inputs[:2])
    assert inference._plainly_fits(replace(GOOD, outputs=("z", "y")), plain, 8)
