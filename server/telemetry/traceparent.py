"""The header `traceparent`, by which a client says which trace its request belongs to.

Its form is VERSION-TRACE-PARENT-FLAGS, all lower-case hexadecimal, and more after a dash in
versions to come (W3C Trace Context, https://www.w3.org/TR/trace-context/#traceparent-header).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

SAMPLED = 1
"""The flag that says that the client records its trace."""

_FORM = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?", re.ASCII)
_MOST_CHARACTERS = 512


@dataclass(frozen=True, slots=True)
class Parent:
    """The client's span: trace and span as numbers, and its flags."""

    trace_id: int
    span_id: int
    flags: int

    @property
    def sampled(self) -> bool:
        """Whether the client records its part of the trace."""
        return bool(self.flags & SAMPLED)


def parse(header: str) -> Parent | None:
    """What `header` says; None where there is none, or none that counts."""
    if not header or len(header) > _MOST_CHARACTERS:
        return None
    found = _FORM.fullmatch(header)
    if found is None:
        return None
    version, trace_id, span_id, flags, more = found.groups()
    if version == "ff" or (version == "00" and more):
        return None
    parent = Parent(int(trace_id, 16), int(span_id, 16), int(flags, 16))
    return parent if parent.trace_id and parent.span_id else None


def hex_trace(trace_id: int) -> str:
    """A trace's number as it is written everywhere."""
    return f"{trace_id:032x}"


def traceparent(trace_id: int, span_id: int, flags: int) -> str:
    """The header for whoever is told of a span."""
    return f"00-{trace_id:032x}-{span_id:016x}-{flags:02x}"
