"""Recorded requests are read bit for bit, or refused with the field that is wrong."""

from __future__ import annotations

import io
import json
import os
import zipfile
from types import SimpleNamespace

import numpy as np
import pytest

from runtimes import npz, samples
from runtimes.contract.tensor import Datatype, Signature, TensorSpec, unpack_bytes
from runtimes.runtime import LoadError
from runtimes.samples import read_sample

NUMBERS = {
    Datatype.UINT8: np.uint8,
    Datatype.INT32: np.int32,
    Datatype.UINT64: np.uint64,
    Datatype.FP32: np.float32,
    Datatype.FP64: np.float64,
}


def _model(datatype=Datatype.FP32, shape=(-1, 2), max_batch_size=8, names=("x",), optional=False):
    inputs = tuple(TensorSpec(name, datatype, shape, optional) for name in names)
    return SimpleNamespace(signature=Signature(inputs, ()), max_batch_size=max_batch_size)


def _npz(folder, **arrays):
    path = folder / "sample.npz"
    np.savez(path, **arrays)
    return path


def _json(folder, content):
    path = folder / "sample.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def _tensor(**changes):
    tensor = {"name": "x", "datatype": "FP32", "shape": [1, 2], "data": [1, 2], **changes}
    return {"inputs": [{key: value for key, value in tensor.items() if value is not None}]}


# ---- npz ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("layout", "CF")
@pytest.mark.parametrize("datatype", NUMBERS)
def test_numbers_come_in_any_byte_order_and_layout(tmp_path, datatype, layout, order):
    wanted = np.arange(6, dtype=NUMBERS[datatype]).reshape(3, 2)
    stored = np.asarray(wanted.astype(wanted.dtype.newbyteorder(order)), order=layout)
    (tensor,) = read_sample(_npz(tmp_path, x=stored), _model(datatype))
    assert (tensor.shape, tensor.data) == ((3, 2), wanted.tobytes())


@pytest.mark.parametrize("texts", [["grüße", ""], ["grüße".encode(), b""]])
def test_texts_come_as_utf8(tmp_path, texts):
    path = _npz(tmp_path, x=np.array([texts]))
    (tensor,) = read_sample(path, _model(Datatype.BYTES))
    assert unpack_bytes(tensor.data) == ["grüße".encode(), b""]


def test_bf16_comes_as_rounded_float32(tmp_path):
    # Halfway between two BF16 numbers goes to the even one; NaN must not round to infinity.
    values = np.array([[1.0, -2.0], [1.00390625, np.uint32(0x7F800001).view(np.float32)]], "<f4")
    (tensor,) = read_sample(_npz(tmp_path, x=values), _model(Datatype.BF16))
    assert np.frombuffer(tensor.data, "<u2").tolist() == [0x3F80, 0xC000, 0x3F80, 0x7FC0]


def test_bf16_comes_as_its_own_bits(tmp_path):
    bits = np.array([[0x3F80, 0xC000]], "<u2")
    (tensor,) = read_sample(_npz(tmp_path, x=bits.view("V2")), _model(Datatype.BF16))
    assert tensor.data == bits.tobytes()


@pytest.mark.parametrize(
    ("datatype", "array", "message"),
    [
        (Datatype.FP32, [[1.0, 2.0]], "^input 'x' is float64, expected float32 for FP32$"),
        (Datatype.INT32, np.ones((1, 2), np.uint32), "is uint32, expected int32"),
        (Datatype.BYTES, np.ones((1, 2), np.uint8), "expected str or bytes for BYTES"),
        (Datatype.BF16, np.ones((1, 2), np.uint16), "expected bfloat16, or float32"),
        (Datatype.FP32, np.array([[object(), 1]]), "^'x' holds Python objects, which are never"),
        (Datatype.FP32, np.ones((1, 3), "f4"), r"has the shape \[1, 3\], expected \[-1, 2\]"),
        (Datatype.FP32, np.ones(2, "f4"), r"has the shape \[2\], expected \[-1, 2\]"),
        (Datatype.FP32, np.ones((0, 2), "f4"), "has no rows, expected at least one"),
        (Datatype.BYTES, np.array([["\ud800", ""]]), "text that is not Unicode"),
    ],
)
def test_an_array_that_does_not_fit_is_refused(tmp_path, datatype, array, message):
    with pytest.raises(LoadError, match=message):
        read_sample(_npz(tmp_path, x=array), _model(datatype))


def test_all_inputs_must_be_there_and_no_other(tmp_path):
    row, model = np.ones((1, 2), "f4"), _model(names=("x", "z"))
    with pytest.raises(LoadError, match="lacks input 'z'"):
        read_sample(_npz(tmp_path, x=row), model)
    with pytest.raises(LoadError, match="unknown input 'w'; the model's inputs are 'x', 'z'"):
        read_sample(_npz(tmp_path, x=row, z=row, w=row), model)
    with pytest.raises(LoadError, match=r"has inputs of \[1, 2\] rows"):
        read_sample(_npz(tmp_path, x=row, z=np.ones((2, 2), "f4")), model)


def test_an_optional_input_may_be_left_out_but_not_all(tmp_path):
    model = _model(names=("x", "z"), optional=True)
    (tensor,) = read_sample(_npz(tmp_path, x=np.ones((1, 2), "f4")), model)
    assert tensor.name == "x"
    with pytest.raises(LoadError, match="holds no inputs"):
        read_sample(_npz(tmp_path), model)


def _zip(path, members):
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def _claiming(shape: str) -> bytes:
    """An array file whose header claims `shape`, with 8 bytes behind it."""
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        file, {"descr": "<f4", "fortran_order": False, "shape": (1, 2)}
    )
    header = file.getvalue().replace(b"(1, 2)", shape.encode())
    return header[:-1].ljust(127)[:127] + b"\n" + bytes(8)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not a readable .npz archive"),
        (b"PK\x03\x04 and no more", "not a readable .npz archive"),
        (_claiming("(1,2)"), "not a readable .npz archive"),  # .npy, not in an archive
    ],
)
def test_what_is_no_archive_is_refused(tmp_path, content, message):
    path = tmp_path / "sample.npz"
    path.write_bytes(content)
    with pytest.raises(LoadError, match=message):
        read_sample(path, _model())


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"text", "^'x' is not a numpy array$"),
        (_claiming("(1, 99999999)"), "not a readable"),
        (_claiming("(9**99, 2)"), "not a readable"),
        (_claiming("(99999999999, 999999)"), "not a readable"),
        (_claiming("(-1, 2)"), "not a readable"),
    ],
)
def test_a_member_that_lies_is_refused(tmp_path, content, message):
    path = _zip(tmp_path / "sample.npz", {"x.npy": content})
    with pytest.raises(LoadError, match=message):
        read_sample(path, _model())


def test_an_archive_that_unpacks_to_too_much_is_refused_unread(tmp_path, monkeypatch):
    path = tmp_path / "sample.npz"
    np.savez_compressed(path, x=np.zeros((1000, 2), "f4"))
    monkeypatch.setattr(npz, "MAX_FILE_BYTES", 8000)
    monkeypatch.setattr(np, "load", None)
    with pytest.raises(LoadError, match=r"unpacks to 8\d\d\d bytes, expected at most 8000"):
        read_sample(path, _model())


def test_an_archive_of_too_many_arrays_is_refused(tmp_path):
    path = _zip(tmp_path / "sample.npz", {f"{at}.npy": b"" for at in range(257)})
    with pytest.raises(LoadError, match="holds 257 arrays, expected at most 256"):
        read_sample(path, _model())


# ---- json --------------------------------------------------------------------------------------


@pytest.mark.parametrize("data", [[1, 2, 3, 4], [[1, 2], [3, 4]]])
@pytest.mark.parametrize("datatype", NUMBERS)
def test_data_may_be_flat_or_nested(tmp_path, datatype, data):
    request = _tensor(datatype=datatype, shape=[2, 2], data=data)
    (tensor,) = read_sample(_json(tmp_path, request), _model(datatype))
    assert tensor.data == np.array([1, 2, 3, 4], NUMBERS[datatype]).tobytes()


def test_json_carries_texts_and_booleans(tmp_path):
    path = _json(tmp_path, _tensor(datatype="BYTES", data=["grüße", ""]))
    (tensor,) = read_sample(path, _model(Datatype.BYTES))
    assert unpack_bytes(tensor.data) == ["grüße".encode(), b""]
    path = _json(tmp_path, _tensor(datatype="BOOL", data=[True, False]))
    (tensor,) = read_sample(path, _model(Datatype.BOOL))
    assert tensor.data == b"\1\0"


def test_what_else_a_recording_holds_does_not_matter(tmp_path):
    request = {"id": "7", "outputs": [{"name": "y"}], "parameters": {"a": 1}, **_tensor()}
    (tensor,) = read_sample(_json(tmp_path, request), _model())
    assert tensor.shape == (1, 2)


def test_a_scalar_has_one_element(tmp_path):
    path = _json(tmp_path, _tensor(shape=[], data=[1.5]))
    (tensor,) = read_sample(path, _model(shape=(), max_batch_size=0))
    assert (tensor.shape, tensor.data) == ((), np.float32(1.5).tobytes())


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "not readable JSON: Expecting"),
        ("[" * 100_000, "not readable JSON: RecursionError"),
        ('"\ud800'.encode("utf-8", "surrogatepass").decode("latin-1"), "not readable JSON"),
        ([], "'inputs' is missing"),
        ({"inputs": []}, "'inputs' is missing"),
        ({"inputs": [1]}, r"inputs\[0\]: 'name' is missing"),
        (_tensor(name=None), r"inputs\[0\]: 'name' is missing"),
        (_tensor(name="w"), "unknown input 'w'; the model's inputs are 'x'"),
        (_tensor(datatype="FP16"), "datatype 'FP16', expected one that JSON can carry"),
        (_tensor(datatype="BF16"), "Save others as .npz"),
        (_tensor(datatype=["FP32"]), "expected one that JSON can carry"),
        (_tensor(datatype="FP64"), "input 'x' is FP64, expected FP32"),
        (_tensor(shape=None), "no 'shape'"),
        (_tensor(shape=[-1, -2]), "no 'shape', expected a list of sizes of 0 or more"),
        (_tensor(shape=[True, 2]), "no 'shape'"),
        (_tensor(shape=[1, 2, 1]), r"the shape \[1, 2, 1\], expected \[-1, 2\]"),
        (_tensor(shape=[9**9, 9**9]), "has 2 elements, expected 150094635296999121"),
        (_tensor(data=None), "no 'data', expected a list"),
        (_tensor(data=[1]), "has 1 elements, expected 2"),
        (_tensor(data=[[1, 2], [3]], shape=[2, 2]), "not nested like the shape"),
        (_tensor(data=[[1, 2], 3], shape=[2, 2]), "not nested like the shape"),
        (_tensor(data=[1, "2"]), "input 'x' holds \"2\", which is not FP32"),
        (_tensor(data=[1, True]), "input 'x' holds true, which is not FP32"),
        (_tensor(data=[1, 1e300]), "a value that does not fit FP32"),
        (_tensor(data=[1, 10**400]), "a value that does not fit FP32"),
        (_tensor(datatype="UINT8", data=[1, 256]), "a value that does not fit UINT8"),
        (_tensor(datatype="UINT8", data=[1, 1.5]), "holds 1.5, which is not UINT8"),
        (_tensor(datatype="BOOL", data=[True, 1]), "holds 1, which is not BOOL"),
        (_tensor(datatype="BYTES", data=["", "\ud800"]), "a value that does not fit BYTES"),
        ({"inputs": _tensor()["inputs"] * 2}, "gives an input more than once"),
    ],
)
def test_a_recording_that_is_wrong_is_refused(tmp_path, content, message):
    with pytest.raises(LoadError, match=message):
        read_sample(_json(tmp_path, content), _model())


# ---- files -------------------------------------------------------------------------------------


def test_another_kind_of_file_is_refused(tmp_path):
    path = tmp_path / "sample.txt"
    path.write_text("x")
    with pytest.raises(LoadError, match=r"expected a \.npz or \.json file"):
        read_sample(path, _model())


def test_a_file_that_is_too_large_is_refused_unread(tmp_path):
    path = tmp_path / "sample.json"
    path.touch()
    os.truncate(path, samples.MAX_FILE_BYTES + 1)  # sparse
    with pytest.raises(LoadError, match="has 268435457 bytes, expected at most 268435456"):
        read_sample(path, _model())


def test_a_pipe_is_refused_unread(tmp_path):
    path = tmp_path / "sample.npz"
    os.mkfifo(path)
    with pytest.raises(LoadError, match="is not a plain file"):
        read_sample(path, _model())
