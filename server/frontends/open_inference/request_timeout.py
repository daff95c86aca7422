"""The header in which a REST client says how long it will wait, as gRPC says with each call."""

from __future__ import annotations

import re
from dataclasses import replace

from server.errors import InvalidArgument
from server.inference import InferenceRequest

HEADER = "Request-Timeout"

MAX_SECONDS = 365 * 86400

_SECONDS = re.compile(r"\d{1,9}(\.\d{1,9})?", re.ASCII)


def header_deadline_ns(value: str, now_ns: int) -> int:
    """The deadline on the clock of `now_ns` for `value` seconds; raises InvalidArgument."""
    text = value.strip()
    seconds = float(text) if _SECONDS.fullmatch(text) else 0.0
    if not 0 < seconds <= MAX_SECONDS:
        raise InvalidArgument(
            f"header '{HEADER}' must be a number of seconds above 0 and at most {MAX_SECONDS}, "
            f"such as 0.5; got '{text[:32]}'"
        )
    return now_ns + round(seconds * 1e9)


def by_deadline(request: InferenceRequest, deadline_ns: int) -> InferenceRequest:
    """`request`, to be answered by `deadline_ns` or its own deadline, whichever is sooner."""
    if request.deadline_ns and request.deadline_ns <= deadline_ns:
        return request
    return replace(request, deadline_ns=deadline_ns)
