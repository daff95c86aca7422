"""Recorded requests, from files beside a model, as tensors that fit its signature.

Two forms: `.npz`, whose keys are the inputs' names, and `.json`, a request body of the Open
Inference Protocol. Errors name the field; whoever reads a file adds the file's name.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterable, Sequence
from pathlib import Path

from runtimes.contract.tensor import (
    DYNAMIC,
    Datatype,
    Tensor,
    TensorSpec,
    element_count,
    pack_bytes,
)
from runtimes.runtime import LoadedModel, LoadError

MAX_FILES = 64
SIGNATURE_KEY = "signature_name"
MAX_FILE_BYTES = 256 * 2**20

_PACKED = {
    Datatype.BOOL: "?",
    Datatype.UINT8: "B",
    Datatype.UINT16: "H",
    Datatype.UINT32: "I",
    Datatype.UINT64: "Q",
    Datatype.INT8: "b",
    Datatype.INT16: "h",
    Datatype.INT32: "i",
    Datatype.INT64: "q",
    Datatype.FP32: "f",
    Datatype.FP64: "d",
}


def read_sample(path: Path, model: LoadedModel) -> tuple[Tensor, ...]:
    """The request in `path`, checked against the signature. Raises LoadError."""
    check_file(path)
    if path.suffix.lower() == ".npz":
        # An environment without numpy serves as long as there is no such file.
        from runtimes.npz import input_tensors, read_npz

        arrays = read_npz(path)
        arrays.pop(SIGNATURE_KEY, None)
        tensors = input_tensors(arrays, model.signature)
    elif path.suffix.lower() == ".json":
        tensors = _read_json(path)
    else:
        raise LoadError("expected a .npz or .json file")
    check_fits(tensors, model)
    return tensors


def sample_signature(path: Path) -> str:
    """The signature that the request in `path` is for, "" for the default one. Raises LoadError.

    `.json` says it as REST does, by the parameter `signature_name`; `.npz` by a text of that key.
    """
    check_file(path)
    if path.suffix.lower() == ".npz":
        from runtimes.npz import read_text

        return read_text(path, SIGNATURE_KEY)
    if path.suffix.lower() != ".json":
        return ""
    parameters = _json_object(path).get("parameters")
    name = parameters.get(SIGNATURE_KEY, "") if isinstance(parameters, dict) else ""
    if not isinstance(name, str):
        raise LoadError(f"parameter '{SIGNATURE_KEY}' is no text")
    return name


def unknown_signature(name: str, known: Iterable[str]) -> str:
    """Words for a sample of a signature that is not there."""
    names = ", ".join(f"'{one}'" for one in known if one)
    return f"is for signature '{name[:100]}'; the model serves {names}"


def check_count(kind: str, paths: Sequence[str]) -> None:
    """Refuse more than MAX_FILES files of a kind. Raises LoadError."""
    if len(paths) > MAX_FILES:
        raise LoadError(f"{len(paths)} {kind} files, expected at most {MAX_FILES}")


def check_file(path: Path) -> None:
    """Refuse what is no plain file of at most MAX_FILE_BYTES. Raises LoadError."""
    try:
        size = path.stat().st_size
    except OSError as error:
        raise LoadError(f"cannot be read: {error.strerror}") from None
    if not path.is_file():
        raise LoadError("is not a plain file")
    if size > MAX_FILE_BYTES:
        raise LoadError(f"has {size} bytes, expected at most {MAX_FILE_BYTES}")


def check_fits(tensors: Sequence[Tensor], model: LoadedModel) -> None:
    """Refuse a request that the gateway would refuse, but for its number of rows.

    Names, datatypes and shapes are the signature's, and with a batch dimension all inputs have
    the same number of rows, at least one. Raises LoadError naming the input.
    """
    known = {spec.name: spec for spec in model.signature.inputs}
    given = {tensor.name for tensor in tensors}
    if not tensors:
        raise LoadError("holds no inputs")
    for tensor in tensors:
        _check_tensor(tensor, known)
    if len(given) < len(tensors):
        raise LoadError("gives an input more than once")
    for spec in model.signature.inputs:
        if spec.name not in given and not spec.optional:
            raise LoadError(f"lacks input '{spec.name}'")
    if model.max_batch_size:
        rows = sorted({tensor.shape[0] for tensor in tensors})
        if len(rows) > 1:
            raise LoadError(f"has inputs of {rows} rows, expected one number of rows for all")
        if rows == [0]:
            raise LoadError("has no rows, expected at least one")


def _check_tensor(tensor: Tensor, known: dict[str, TensorSpec]) -> None:
    spec = known.get(tensor.name)
    if spec is None:
        names = ", ".join(f"'{name}'" for name in known)
        raise LoadError(f"unknown input '{tensor.name}'; the model's inputs are {names}")
    if tensor.datatype is not spec.datatype:
        raise LoadError(f"input '{spec.name}' is {tensor.datatype}, expected {spec.datatype}")
    if len(tensor.shape) != len(spec.shape) or any(
        want not in (DYNAMIC, got) for want, got in zip(spec.shape, tensor.shape, strict=True)
    ):
        raise LoadError(
            f"input '{spec.name}' has the shape {list(tensor.shape)}, expected {list(spec.shape)}"
        )


def _json_object(path: Path) -> dict[str, object]:
    try:
        request = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        reason = str(error) if isinstance(error, json.JSONDecodeError) else type(error).__name__
        raise LoadError(f"is not readable JSON: {reason}") from None
    return request if isinstance(request, dict) else {}


def _read_json(path: Path) -> tuple[Tensor, ...]:
    inputs = _json_object(path).get("inputs")
    if not isinstance(inputs, list) or not inputs:
        raise LoadError("'inputs' is missing, expected a list of tensors")
    return tuple(_json_tensor(at, item) for at, item in enumerate(inputs))


def _json_tensor(at: int, item: object) -> Tensor:
    if not isinstance(item, dict) or not isinstance(name := item.get("name"), str):
        raise LoadError(f"inputs[{at}]: 'name' is missing, expected a text")
    kind, shape, data = item.get("datatype"), item.get("shape"), item.get("data")
    if not isinstance(kind, str) or kind not in (*_PACKED, Datatype.BYTES):
        raise LoadError(
            f"input '{name}' has the datatype '{kind}', expected one that JSON can carry: "
            f"{', '.join(_PACKED)}, BYTES. Save others as .npz"
        )
    if not isinstance(shape, list) or not all(type(dim) is int and dim >= 0 for dim in shape):
        raise LoadError(f"input '{name}' has no 'shape', expected a list of sizes of 0 or more")
    if not isinstance(data, list):
        raise LoadError(f"input '{name}' has no 'data', expected a list")
    elements = _flat(name, data, shape)
    return Tensor(name, Datatype(kind), tuple(shape), _packed(name, Datatype(kind), elements))


def _flat(name: str, data: list[object], shape: list[int]) -> list[object]:
    """The elements of `data`, which is flat or nested as `shape` says."""
    if any(isinstance(item, list) for item in data):
        for dim in shape[1:]:
            nested = [item for item in data if isinstance(item, list) and len(item) == dim]
            if len(nested) < len(data):
                raise LoadError(f"input '{name}': 'data' is not nested like the shape {shape}")
            data = [element for item in nested for element in item]
    if len(data) != element_count(shape):
        raise LoadError(
            f"input '{name}' has {len(data)} elements, expected {element_count(shape)} for the "
            f"shape {shape}"
        )
    return data


def _packed(name: str, datatype: Datatype, elements: list[object]) -> bytes:
    allowed: tuple[type, ...] = (int,)
    if datatype is Datatype.BYTES:
        allowed = (str,)
    elif datatype is Datatype.BOOL:
        allowed = (bool,)
    elif datatype in (Datatype.FP32, Datatype.FP64):
        allowed = (int, float)
    for element in elements:
        if type(element) not in allowed:  # to isinstance, True would be a number
            raise LoadError(
                f"input '{name}' holds {json.dumps(element)[:40]}, which is not {datatype}"
            )
    try:
        if datatype is Datatype.BYTES:
            return pack_bytes([str(element).encode() for element in elements])
        return struct.pack(f"<{len(elements)}{_PACKED[datatype]}", *elements)
    except (struct.error, OverflowError, UnicodeEncodeError):
        raise LoadError(f"input '{name}' holds a value that does not fit {datatype}") from None
