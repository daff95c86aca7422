"""The error tree of the gateway; it knows no protocol, only codes.

    ServingError
    ├── InvalidArgument      the request is wrong; sending it again will not help
    ├── FailedPrecondition   the model, as it is, cannot be asked that
    ├── NotFound             no such model, version or route
    ├── Unauthenticated      nobody known asks; a token is expected
    ├── PermissionDenied     somebody known asks, who may not
    ├── TooLarge             over a size limit; the message names the setting
    ├── Unavailable          not ready, worker lost or shutting down; may be sent again
    ├── Overloaded           too much in flight; `retry_after` says when to come back
    ├── DeadlineExceeded     the caller's time ran out
    ├── Cancelled            the caller went away
    ├── Unsupported          understood, but not offered here
    └── Internal             our fault, or the model's

Messages reach clients: they name the field and what was expected, never a path or a traceback.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from runtimes.contract.codes import Code


class ServingError(Exception):
    """A request ended without an answer; `code` says why in protocol-neutral terms."""

    code: Code = Code.INTERNAL
    told: Mapping[str, str] = MappingProxyType({})
    """What a client is told besides the message: headers over REST, trailing metadata over gRPC."""

    def __init__(self, message: str, *, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.retry_after = retry_after


class InvalidArgument(ServingError):
    """The request contradicts the protocol or the model's signature."""

    code = Code.INVALID_ARGUMENT


class FailedPrecondition(ServingError):
    """Well formed, but the model as it is does not have what is asked for."""

    code = Code.FAILED_PRECONDITION


class NotFound(ServingError):
    """The model or version named in the request is unknown."""

    code = Code.NOT_FOUND


class Unauthenticated(ServingError):
    """Without a token, or with one that is not known."""

    code = Code.UNAUTHENTICATED


class PermissionDenied(ServingError):
    """The token is known, and is not for this."""

    code = Code.PERMISSION_DENIED


class TooLarge(ServingError):
    """The request is over a size limit."""

    code = Code.TOO_LARGE


class Unavailable(ServingError):
    """Known, but not able to answer at this moment."""

    code = Code.UNAVAILABLE


class Overloaded(ServingError):
    """Refused at the door because too much is already in flight.

    `reason` is in one word what there is too much of, for the metrics: `rows`, `bytes`,
    `model_rows`, `model_bytes`, `worker` (requests in one), or `queue` (what waits in a worker).
    """

    code = Code.OVERLOADED

    def __init__(
        self, message: str, *, retry_after: float | None = None, reason: str = "queue"
    ) -> None:
        super().__init__(message, retry_after=retry_after)
        self.reason = reason


class DeadlineExceeded(ServingError):
    """The request's deadline passed before it was computed."""

    code = Code.DEADLINE_EXCEEDED


class Cancelled(ServingError):
    """The caller gave up."""

    code = Code.CANCELLED


class Unsupported(ServingError):
    """The protocol has it; this server does not offer it."""

    code = Code.UNSUPPORTED


class Internal(ServingError):
    """The model or the server failed while computing."""

    code = Code.INTERNAL


_BY_CODE: dict[Code, type[ServingError]] = {
    kind.code: kind
    for kind in (
        InvalidArgument,
        FailedPrecondition,
        NotFound,
        Unauthenticated,
        PermissionDenied,
        TooLarge,
        Unavailable,
        Overloaded,
        DeadlineExceeded,
        Cancelled,
        Unsupported,
        Internal,
    )
}


RETRY_AFTER = 1.0
"""Seconds after which what is full or being restarted is worth another try."""

_PASSING = (Code.UNAVAILABLE, Code.OVERLOADED)


def error_for(code: Code, message: str) -> ServingError:
    """The error that stands for `code`, as received from a worker."""
    hint = RETRY_AFTER if code in _PASSING else None
    return _BY_CODE.get(code, Internal)(message, retry_after=hint)
