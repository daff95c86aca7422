"""numpy's `.npz` archives, read as what they are: bytes from somebody else."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from runtimes.arrays import NUMPY, Array, to_tensor
from runtimes.contract.tensor import Datatype, Signature, Tensor, TensorSpec
from runtimes.runtime import LoadError
from runtimes.samples import MAX_FILE_BYTES

MAX_ARRAYS = 256

_BF16_BITS = np.dtype("V2")
"""How numpy saves an array of the bfloat16 type that TensorFlow and JAX bring along."""


def read_npz(path: Path) -> dict[str, Array]:
    """Every array by its key; raises LoadError, also where they unpack to MAX_FILE_BYTES."""
    try:
        with zipfile.ZipFile(path) as archive:
            _check_size(archive)
        with np.load(path, allow_pickle=False) as arrays:
            return {key: _array(arrays, key) for key in arrays.files}
    except LoadError:
        raise
    except Exception as error:  # zipfile, its decompressors and numpy raise many unrelated classes
        raise LoadError(f"is not a readable .npz archive ({type(error).__name__})") from None


def read_text(path: Path, key: str) -> str:
    """The text of that key, "" where there is none; other arrays are not read. Raises LoadError."""
    try:
        with zipfile.ZipFile(path) as archive:
            _check_size(archive)
        with np.load(path, allow_pickle=False) as arrays:
            array = _array(arrays, key) if key in arrays.files else np.array("")
    except LoadError:
        raise
    except Exception as error:  # as above
        raise LoadError(f"is not a readable .npz archive ({type(error).__name__})") from None
    if array.size != 1 or array.dtype.kind != "U":
        raise LoadError(f"'{key}' should be one text")
    return str(array.item())


def input_tensors(arrays: Mapping[str, Array], signature: Signature) -> tuple[Tensor, ...]:
    """`arrays` by input name as tensors of the signature's datatypes. Raises LoadError."""
    known = {spec.name: spec for spec in signature.inputs}
    for name in arrays:
        if name not in known:
            names = ", ".join(f"'{known_name}'" for known_name in known)
            raise LoadError(f"unknown input '{name}'; the model's inputs are {names}")
    return tuple(_tensor(known[name], array) for name, array in arrays.items())


def _check_size(archive: zipfile.ZipFile) -> None:
    members = archive.infolist()
    if len(members) > MAX_ARRAYS:
        raise LoadError(f"holds {len(members)} arrays, expected at most {MAX_ARRAYS}")
    # numpy reads no more of a member than is said here, so it cannot turn out larger.
    size = sum(member.file_size for member in members)
    if size > MAX_FILE_BYTES:
        raise LoadError(f"unpacks to {size} bytes, expected at most {MAX_FILE_BYTES}")


def _array(arrays: Mapping[str, Array], key: str) -> Array:
    try:
        array: object = arrays[key]
    except ValueError as error:
        if "allow_pickle" not in str(error):
            raise
        raise LoadError(
            f"'{key}' holds Python objects, which are never loaded; save texts as an array of "
            "dtype str or bytes"
        ) from None
    if not isinstance(array, np.ndarray):
        raise LoadError(f"'{key}' is not a numpy array")
    return array


def _tensor(spec: TensorSpec, array: Array) -> Tensor:
    if spec.datatype is Datatype.BYTES:
        if array.dtype.kind not in "SU":
            raise _mismatch(spec, array, "str or bytes")
        try:
            return to_tensor(spec.name, spec.datatype, array)
        except ValueError:
            raise LoadError(f"input '{spec.name}' holds text that is not Unicode") from None
    if spec.datatype is Datatype.BF16:
        return Tensor(spec.name, spec.datatype, array.shape, _bf16(spec, array).tobytes())
    expected = NUMPY[spec.datatype]
    if array.dtype.newbyteorder("<") != expected:
        raise _mismatch(spec, array, expected.name)
    # A copy as bytes: a model that works in place must not change it for the next run.
    data = array.astype(expected, copy=False).tobytes()
    return Tensor(spec.name, spec.datatype, array.shape, data)


def _bf16(spec: TensorSpec, array: Array) -> Array:
    if array.dtype == _BF16_BITS:
        return array
    if array.dtype != np.float32:
        raise _mismatch(spec, array, "bfloat16, or float32 to be rounded")
    bits = array.astype("<f4").view("<u4")
    nearest_even = ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype("<u2")
    return np.where(np.isnan(array), np.uint16(0x7FC0), nearest_even)


def _mismatch(spec: TensorSpec, array: Array, expected: str) -> LoadError:
    return LoadError(
        f"input '{spec.name}' is {array.dtype}, expected {expected} for {spec.datatype}"
    )
