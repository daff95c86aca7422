"""The JSON of classify and regress calls over REST: examples in, results out."""

from __future__ import annotations

import numpy as np
import orjson

from protos import tf_core_pb2 as core
from protos import tfs_api_pb2 as pb
from server.errors import InvalidArgument
from server.frontends.tf_serving.json_answer import numbers
from server.frontends.tf_serving.json_request import JsonObject, string_of

_FLOAT_MAX = float(np.finfo(np.float32).max)


def decode_examples(document: JsonObject) -> pb.Input:
    """The examples of a request, with their context; raises InvalidArgument."""
    examples = document.get("examples")
    if "examples" not in document:
        raise InvalidArgument("key 'examples' is expected and was not found")
    if not isinstance(examples, list):
        raise InvalidArgument("Expecting 'examples' value to be an list/array")
    if not examples:
        raise InvalidArgument("'examples' value is an empty array")
    given = pb.Input()
    if "context" in document:
        listed = given.example_list_with_context.examples
        _fill(given.example_list_with_context.context, document["context"])
    else:
        listed = given.example_list.examples
    for example in examples:
        _fill(listed.add(), example)
    return given


def encode_classes(result: pb.ClassificationResult) -> bytes:
    """Of every example its classes, each with its score."""
    rows = []
    for row in result.classifications:
        scores = numbers([one.score for one in row.classes])
        labels = [one.label for one in row.classes]
        rows.append([list(pair) for pair in zip(labels, scores, strict=True)])
    return orjson.dumps({"results": rows})


def encode_values(result: pb.RegressionResult) -> bytes:
    """Of every example its value."""
    return orjson.dumps({"results": numbers([one.value for one in result.regressions])})


def _fill(example: core.Example, given: object) -> None:
    if not isinstance(given, dict):
        raise InvalidArgument("Example must be JSON object")
    for name, values in given.items():
        try:
            feature = example.features.feature[name]
        except (ValueError, UnicodeEncodeError):
            raise InvalidArgument("a feature's name is not text") from None
        _add(name, feature, values if isinstance(values, list) else [values])


def _add(name: str, feature: core.Feature, values: list[object]) -> None:
    kinds = {_kind(name, value) for value in values}
    if len(kinds) > 1:
        raise InvalidArgument(
            f"Unexpected element type in feature: {name[:256]} expecting one type, got "
            f"{' and '.join(sorted(kinds))}"
        )
    match next(iter(kinds), None):
        case "bytes":
            what = f"feature '{name[:256]}'"
            feature.bytes_list.value.extend([string_of(what, value) for value in values])
        case "float":
            floats = [value for value in values if isinstance(value, float)]
            if any(_FLOAT_MAX < abs(value) < float("inf") for value in floats):
                raise InvalidArgument(f"feature '{name[:256]}' holds a number beyond 32-bit floats")
            feature.float_list.value.extend(floats)
        case "int64":
            integers = [int(value) for value in values if isinstance(value, int)]
            if any(not -(2**63) <= value < 2**63 for value in integers):
                raise InvalidArgument(
                    f"Feature: {name[:256]} has uint64 element. Only int64 is supported."
                )
            feature.int64_list.value.extend(integers)


def _kind(name: str, value: object) -> str:
    match value:
        case str() | dict():
            return "bytes"
        case bool() | int():
            return "int64"
        case float():
            return "float"
    raise InvalidArgument(
        f"Feature: {name[:256]} has element with unexpected JSON type: {type(value).__name__}"
    )
