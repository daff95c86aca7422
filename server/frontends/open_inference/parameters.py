"""A request's id and parameters, whichever protocol carried them: what they mean, what is refused.

What the protocol gives no meaning is passed on.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from server.errors import InvalidArgument, Unsupported
from server.inference import ParameterValue

MAX_ID_LENGTH = 1024
MAX_PARAMETERS = 256
MAX_CLASSES = 2**31 - 1

_MAX_NS = 2**63 - 1
_MAX_UINT = 2**64 - 1
_RESERVED_PREFIX = "triton_"
_RESERVED = frozenset({"headers"})
MAX_SIGNATURE_LENGTH = 512
_KNOWN = frozenset({"binary_data_output", "priority", "signature_name", "timeout"})


@dataclass(frozen=True, slots=True)
class RequestParameters:
    """A request's parameters, sorted out.

    `timeout_us` is 0 and `signature` "" where there is none.
    """

    binary_data_output: bool = False
    priority: int = 0
    timeout_us: int = 0
    signature: str = ""
    custom: Mapping[str, ParameterValue] = field(default_factory=dict)

    def deadline_ns(self, now_ns: int) -> int:
        """The deadline on the clock of `now_ns`, 0 where there is none."""
        return min(now_ns + self.timeout_us * 1000, _MAX_NS) if self.timeout_us else 0


def check_id(value: object) -> str:
    """A request's id, "" for None; raises InvalidArgument for what could not be logged safely."""
    if value is None:
        return ""
    if not isinstance(value, str):
        raise InvalidArgument("'id' must be a string")
    if len(value) > MAX_ID_LENGTH:
        raise InvalidArgument(f"'id' has {len(value)} characters, expected at most {MAX_ID_LENGTH}")
    if not value.isprintable() and any(unicodedata.category(char) == "Cc" for char in value):
        raise InvalidArgument("'id' contains control characters")
    return value


def request_parameters(given: Mapping[str, ParameterValue]) -> RequestParameters:
    """Sort out a request's `parameters`.

    Raises InvalidArgument for a reserved name or a value of the wrong type, Unsupported for
    stateful sequences.
    """
    if not given:
        return RequestParameters()
    if len(given) > MAX_PARAMETERS:
        raise InvalidArgument(f"{len(given)} parameters, expected at most {MAX_PARAMETERS}")
    custom: dict[str, ParameterValue] = {}
    for name, value in given.items():
        if name in _KNOWN:
            continue
        if name.startswith("sequence_"):
            _refuse_sequence(name, value)
        elif name in _RESERVED or name.startswith(_RESERVED_PREFIX):
            raise InvalidArgument(f"parameter '{name}' is reserved and cannot be set by a request")
        else:
            custom[name] = value
    return RequestParameters(
        binary_data_output=boolean(given, "binary_data_output"),
        priority=whole_number(given, "priority", _MAX_UINT),
        timeout_us=whole_number(given, "timeout", _MAX_UINT),
        signature=_signature(given),
        custom=custom,
    )


def output_classes(output: str, given: Mapping[str, ParameterValue]) -> int:
    """How many classes `output` is to be answered with, 0 for the tensor itself."""
    if "classification" not in given:
        return 0
    count = whole_number(given, "classification", MAX_CLASSES)
    if count < 1:
        raise InvalidArgument(
            f"classification of output '{output}' must ask for 1 or more classes, got {count}"
        )
    return count


def refuse_shared_memory(kind: str, name: str, parameters: Iterable[str]) -> None:
    """Raise Unsupported if a tensor's parameters point to shared memory; `kind` is its side."""
    for parameter in parameters:
        if parameter.startswith("shared_memory_"):
            raise Unsupported(
                f"{kind} '{name}' has parameter '{parameter}': shared memory regions are not "
                "offered by this server; data travels in the message"
            )


def boolean(given: Mapping[str, ParameterValue], name: str, default: bool = False) -> bool:
    """Parameter `name` as a bool; raises InvalidArgument for anything else."""
    value = given.get(name, default)
    if not isinstance(value, bool):
        raise InvalidArgument(f"parameter '{name}' must be true or false")
    return value


def whole_number(given: Mapping[str, ParameterValue], name: str, maximum: int) -> int:
    """Parameter `name` from 0 to `maximum`, 0 if absent; raises InvalidArgument otherwise."""
    value = given.get(name, 0)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= maximum:
        raise InvalidArgument(f"parameter '{name}' must be a whole number from 0 to {maximum}")
    return value


def _signature(given: Mapping[str, ParameterValue]) -> str:
    value = given.get("signature_name", "")
    if not isinstance(value, str) or len(value) > MAX_SIGNATURE_LENGTH:
        raise InvalidArgument(
            "parameter 'signature_name' must be the name of one of the model's signatures"
        )
    return value


def _refuse_sequence(name: str, value: ParameterValue) -> None:
    """Refuse all but the values that say "no sequence", which some clients always send."""
    if value:
        raise Unsupported(
            f"parameter '{name}': sequences of requests are not offered by this server, whose "
            "models keep no state between requests"
        )
