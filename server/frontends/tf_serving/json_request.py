"""The JSON of predict requests over REST: rows under `instances`, or columns under `inputs`.

What is taken and what is refused, and the words for it, follow TensorFlow Serving's
util/json_tensor.cc.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Sequence

import orjson

from runtimes.contract.tensor import Buffer, Datatype, Signature, Tensor, TensorSpec, pack_bytes
from server.errors import InvalidArgument, Unsupported
from server.frontends.nested import flatten
from server.frontends.tf_serving.numbers import pack_values
from server.inference import check_shape, is_binary_only

JsonObject = dict[str, object]

_TOKENS = (b"NaN", b"Infinity")
_B64 = "b64"
_SHOWN = 256


def json_object(body: Buffer) -> JsonObject:
    """The body, in which NaN, Infinity and -Infinity are numbers; raises InvalidArgument."""
    if not body:
        raise InvalidArgument("JSON Parse error: The document is empty")
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        document = _with_tokens(bytes(body), error)
    if not isinstance(document, dict):
        raise InvalidArgument("JSON Value: Is not object")
    return document


def _with_tokens(body: bytes, error: orjson.JSONDecodeError) -> object:
    """The body read by a slower parser, which knows what is no number in JSON."""
    if any(token in body for token in _TOKENS):
        try:
            return json.loads(body)
        except (ValueError, RecursionError):
            pass
    raise InvalidArgument(f"JSON Parse error: {error}")


def signature_name(document: JsonObject) -> str:
    """The signature asked for, "" for the default; raises InvalidArgument."""
    name = document.get("signature_name", "")
    if not isinstance(name, str):
        raise InvalidArgument(
            "JSON Value: not formatted correctly. 'signature_name' key must be a string value."
        )
    return name


def decode_inputs(document: JsonObject, signature: Signature) -> tuple[list[Tensor], bool]:
    """The inputs, and whether they came as rows.

    Raises InvalidArgument naming what is wrong, Unsupported for a datatype that JSON cannot carry.
    """
    if "instances" in document:
        if "inputs" in document:
            raise InvalidArgument(
                "Not formatted correctly expecting only one of 'inputs' or 'instances' keys to "
                "exist"
            )
        return _rows(document["instances"], signature), True
    if "inputs" in document:
        return _columns(document["inputs"], signature), False
    raise InvalidArgument("Missing 'inputs' or 'instances' key")


def is_base64(value: object) -> bool:
    """True for `{"b64": "..."}`, which is a value where any other object is names with values."""
    return isinstance(value, dict) and len(value) == 1 and isinstance(value.get(_B64), str)


def decode_base64(value: JsonObject) -> bytes:
    """The bytes in `{"b64": "..."}`, with or without padding; raises InvalidArgument."""
    text = str(value[_B64])
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise InvalidArgument("Unable to base64 decode") from None


def string_of(what: str, value: object) -> bytes:
    """A string, or what is in base64, as bytes; raises InvalidArgument."""
    if isinstance(value, str):
        try:
            return value.encode()
        except UnicodeEncodeError:
            raise InvalidArgument(f"{what} holds half of a UTF-16 pair, expected text") from None
    if isinstance(value, dict):
        if not is_base64(value):
            raise InvalidArgument(
                f"{what}: JSON Value not formatted correctly for base64 data, expected "
                '{"b64": "..."}'
            )
        return decode_base64(value)
    raise InvalidArgument(
        f"{what}: JSON Value of type {type(value).__name__} is not of expected type: string"
    )


def _rows(instances: object, signature: Signature) -> list[Tensor]:
    if not isinstance(instances, list):
        raise InvalidArgument("Expecting 'instances' to be an list/array")
    if not instances:
        raise InvalidArgument("No values in 'instances' array")
    named = _is_named(instances[0])
    for position, item in enumerate(instances):
        if _is_named(item) is not named:
            expected, got = ("object", "value/list") if named else ("value/list", "object")
            raise InvalidArgument(
                f"Expecting {expected} but got {got} at item {position} of input list"
            )
    if named:
        return _named_rows(instances, signature)
    if len(signature.inputs) != 1:
        raise InvalidArgument(
            "instances is a plain list, but expecting list of objects as multiple input tensors "
            f"required as per tensorinfo_map: {_names(signature.inputs)}"
        )
    return [_tensor(signature.inputs[0], instances)]


def _named_rows(rows: Sequence[JsonObject], signature: Signature) -> list[Tensor]:
    keys = rows[0].keys()
    known = {spec.name for spec in signature.inputs}
    fits = keys <= known and all(spec.optional or spec.name in keys for spec in signature.inputs)
    for position, row in enumerate(rows):
        if not fits or row.keys() != keys:
            raise InvalidArgument(
                f"Failed to process element: {position} of 'instances' list. JSON object: keys "
                f"must be equal to: {_names(signature.inputs)}; got: "
                f"{','.join(sorted(row))[:_SHOWN]}"
            )
    return [
        _tensor(spec, [row[spec.name] for row in rows])
        for spec in signature.inputs
        if spec.name in keys
    ]


def _columns(inputs: object, signature: Signature) -> list[Tensor]:
    if isinstance(inputs, dict) and _is_named(inputs):
        for spec in signature.inputs:
            if spec.name not in inputs and not spec.optional:
                raise InvalidArgument(f"Missing named input: {spec.name} in 'inputs' object.")
        return [
            _tensor(spec, inputs[spec.name]) for spec in signature.inputs if spec.name in inputs
        ]
    if len(signature.inputs) != 1:
        raise InvalidArgument(
            "inputs is a plain value/list, but expecting an object as multiple input tensors "
            f"required as per tensorinfo_map: {_names(signature.inputs)}"
        )
    return [_tensor(signature.inputs[0], inputs)]


def _tensor(spec: TensorSpec, value: object) -> Tensor:
    if is_binary_only(spec.datatype):
        raise Unsupported(
            f"Conversion of JSON Value to type: {spec.datatype}, which input '{spec.name}' takes. "
            "Send it over gRPC"
        )
    what = f"input '{spec.name}'"
    dims, flat = flatten(what, value) if isinstance(value, list) else ([], [value])
    shape = tuple(dims)
    check_shape(spec.name, shape)
    if spec.datatype is Datatype.BYTES:
        packed = pack_bytes([string_of(what, element) for element in flat])
    else:
        packed = pack_values(spec.name, spec.datatype, shape, flat)
    return Tensor(spec.name, spec.datatype, shape, packed)


def _is_named(value: object) -> bool:
    return isinstance(value, dict) and not is_base64(value)


def _names(specs: Sequence[TensorSpec]) -> str:
    return ",".join(sorted(spec.name for spec in specs))
