"""Reading fields out of a JSON document that came from outside, each with its own clear refusal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import orjson

from runtimes.contract.tensor import Buffer
from server.errors import InvalidArgument
from server.inference import ParameterValue

MAX_ENTRIES = 4096
MAX_NAME_LENGTH = 1024

JsonObject = dict[str, object]


def json_object(text: Buffer) -> JsonObject:
    """A JSON object; raises InvalidArgument for anything else, NaN and bad UTF-8 included."""
    try:
        document = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise InvalidArgument(f"failed to parse the request JSON: {error}") from None
    if not isinstance(document, dict):
        raise InvalidArgument("the request JSON must be an object")
    return document


def objects(document: JsonObject, key: str) -> Sequence[JsonObject]:
    """Field `key` as a list of objects."""
    items = document.get(key)
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise InvalidArgument(f"the request must have '{key}', a list of objects")
    if len(items) > MAX_ENTRIES:
        raise InvalidArgument(f"'{key}' has {len(items)} entries, expected at most {MAX_ENTRIES}")
    return items


def parameters(document: JsonObject, where: str) -> Mapping[str, ParameterValue]:
    """Field `parameters` of `where`: an object of plain values, empty where it is absent."""
    given = document.get("parameters")
    if given is None:
        return {}
    if not isinstance(given, dict):
        raise InvalidArgument(f"'parameters' of {where} must be an object")
    for name, value in given.items():
        if not isinstance(value, bool | int | float | str):
            raise InvalidArgument(
                f"parameter '{name}' of {where} must be a string, a number, true or false"
            )
    return given


def tensor_name(item: JsonObject, where: str) -> str:
    """Field `name` of an entry of `where`."""
    name = item.get("name")
    if not isinstance(name, str) or not 0 < len(name) <= MAX_NAME_LENGTH:
        raise InvalidArgument(
            f"each of '{where}' must have a 'name' of 1 to {MAX_NAME_LENGTH} characters"
        )
    return name
