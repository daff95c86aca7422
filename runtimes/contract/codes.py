"""The one list of error codes; each frontend keeps a short table from these to its own."""

from __future__ import annotations

from enum import StrEnum


class Code(StrEnum):
    """Why a request did not get an answer, in words that belong to no protocol."""

    INVALID_ARGUMENT = "INVALID_ARGUMENT"
    FAILED_PRECONDITION = "FAILED_PRECONDITION"
    NOT_FOUND = "NOT_FOUND"
    UNAUTHENTICATED = "UNAUTHENTICATED"
    PERMISSION_DENIED = "PERMISSION_DENIED"
    TOO_LARGE = "TOO_LARGE"
    UNAVAILABLE = "UNAVAILABLE"
    OVERLOADED = "OVERLOADED"
    DEADLINE_EXCEEDED = "DEADLINE_EXCEEDED"
    CANCELLED = "CANCELLED"
    UNSUPPORTED = "UNSUPPORTED"
    INTERNAL = "INTERNAL"
