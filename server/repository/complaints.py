"""Turns pydantic's errors about a model.yaml into words: which field, and what was expected."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from server.repository import model_file as form
from server.repository.names import FILE_PATTERN, FILE_RULE, LABEL_PATTERN, LABEL_RULE

MAX_COMPLAINTS = 20

_PARTS: dict[tuple[str, ...], type[BaseModel]] = {
    (): form.ModelFile,
    ("inputs",): form.InputEntry,
    ("outputs",): form.OutputEntry,
    ("batching",): form.BatchingEntry,
    ("batching", "pad"): form.PadEntry,
    ("version_policy",): form.VersionPolicyEntry,
    ("workers",): form.WorkersEntry,
    ("warmup",): form.WarmupEntry,
    ("warmup", "inputs"): form.WarmupInputEntry,
}
_PATTERNS = {
    form.DEVICE_PATTERN: "auto, cpu or cuda:N",
    FILE_PATTERN: FILE_RULE,
    LABEL_PATTERN: LABEL_RULE,
}
_EXPECTED = {
    "bool_type": "true or false",
    "dict_type": "a mapping",
    "enum": "one of {expected}",
    "finite_number": "a finite number",
    "float_type": "a number",
    "greater_than_equal": "at least {ge}",
    "int_type": "an integer",
    "invalid_key": "a string as its key",
    "less_than_equal": "at most {le}",
    "list_type": "a list",
    "literal_error": "one of {expected}",
    "model_type": "a mapping",
    "string_too_long": "at most {max_length} characters",
    "string_too_short": "at least {min_length} character(s)",
    "string_type": "a string",
    "too_long": "at most {max_length} entries",
    "too_short": "at least {min_length} entry",
}

Step = str | int

_NOTHING = object()


def complaints(error: ValidationError, data: object) -> list[str]:
    """One short text per wrong field of `data`, at most MAX_COMPLAINTS and a count of the rest."""
    expected: dict[str, list[str]] = {}
    verdicts: dict[str, str] = {}
    for detail in error.errors(include_url=False):
        steps = _real_steps(detail, data)
        path = spell(steps)
        if detail["type"] == "missing":
            verdicts[path] = "required, but missing"
        elif detail["type"] == "extra_forbidden":
            verdicts[path] = "unknown" + _closest(steps)
        else:
            expected.setdefault(path, []).append(_expectation(detail))
            # Members of a union each complain; what they say of one value belongs together.
            either = " or ".join(dict.fromkeys(expected[path]))
            verdicts[path] = f"expected {either}, got {_value(detail['input'])}"
    lines = [f"{path}: {verdict}" if path else verdict for path, verdict in verdicts.items()]
    if len(lines) > MAX_COMPLAINTS:
        more = len(lines) - MAX_COMPLAINTS
        lines = [*lines[:MAX_COMPLAINTS], f"and {more} more"]
    return lines


def spell(steps: Sequence[Step]) -> str:
    """A path as people write it, such as `inputs[0].shape`."""
    text = ""
    for step in steps:
        if isinstance(step, int):
            text += f"[{step}]"
        else:
            name = step if step.isprintable() and len(step) <= 64 else repr(step[:64])
            text += f".{name}" if text else name
    return text


def _real_steps(detail: ErrorDetails, data: object) -> list[Step]:
    """The steps that exist in the file; pydantic also names the members of unions."""
    steps: list[Step] = []
    here: object = data
    last = len(detail["loc"]) - 1
    for index, step in enumerate(detail["loc"]):
        below = _child(here, step)
        if below is not _NOTHING:
            here = below
            steps.append(step)
        elif index == last and detail["type"] == "missing":
            steps.append(step)
    return steps


def _child(here: object, step: Step) -> object:
    if isinstance(here, Mapping):
        return here.get(step, _NOTHING)
    if isinstance(here, list) and isinstance(step, int) and step < len(here):
        return here[step]
    return _NOTHING


def _closest(steps: Sequence[Step]) -> str:
    parent = tuple(step for step in steps[:-1] if isinstance(step, str))
    known = list(_PARTS[parent].model_fields) if parent in _PARTS else []
    near = difflib.get_close_matches(str(steps[-1])[:64], known, n=1)
    if near:
        return f", did you mean {near[0]}?"
    return f"; known here: {', '.join(known)}" if known else ""


def _expectation(detail: ErrorDetails) -> str:
    context = detail.get("ctx", {})
    if detail["type"] == "string_pattern_mismatch":
        return _PATTERNS.get(str(context["pattern"]), f"a match of {context['pattern']}")
    if detail["type"] in _EXPECTED:
        return _EXPECTED[detail["type"]].format(**context).replace("'", "")
    return detail["msg"].removeprefix("Input should be ")


def _value(value: object) -> str:
    if isinstance(value, Mapping):
        return "a mapping"
    if isinstance(value, list):
        return "a list"
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return repr(value if len(value) <= 40 else value[:37] + "...")
    if isinstance(value, int) and value.bit_length() > 64:
        return "a number beyond 64 bits"
    return str(value)[:40]
