"""How an error is told over gRPC: its status number, its text and a hint for retries."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import quote

from runtimes.contract.codes import Code
from server.errors import ServingError

STATUS_NUMBER: Mapping[Code, int] = {
    Code.CANCELLED: 1,
    Code.INVALID_ARGUMENT: 3,
    Code.DEADLINE_EXCEEDED: 4,
    Code.NOT_FOUND: 5,
    Code.PERMISSION_DENIED: 7,
    Code.TOO_LARGE: 8,
    Code.OVERLOADED: 8,
    Code.FAILED_PRECONDITION: 9,
    Code.UNSUPPORTED: 12,
    Code.INTERNAL: 13,
    Code.UNAVAILABLE: 14,
    Code.UNAUTHENTICATED: 16,
}
"""gRPC's own numbers, from its `doc/statuscodes.md`."""

PUSHBACK = "grpc-retry-pushback-ms"
"""The key that clients' own retry policies obey."""

# Clients refuse trailers over 8 KiB, and a byte may become three on the way.
_MAX_DETAILS_BYTES = 2000

# What gRPC's HTTP/2 mapping lets stand in grpc-message: printable ASCII without the percent sign.
_PLAIN = "".join(chr(code) for code in range(0x20, 0x7F) if code != ord("%"))


def details(error: ServingError) -> str:
    """The text of `error`, short enough for every client."""
    return error.message.encode("utf-8", "replace")[:_MAX_DETAILS_BYTES].decode(errors="ignore")


def pushback_ms(error: ServingError) -> str | None:
    """When to try again, in milliseconds; None where `error` does not say."""
    return None if error.retry_after is None else str(int(error.retry_after * 1000))


def status_fields(error: ServingError) -> list[tuple[bytes, bytes]]:
    """`error` as header fields or trailers."""
    fields = [
        (b"grpc-status", b"%d" % STATUS_NUMBER[error.code]),
        (b"grpc-message", quote(details(error), safe=_PLAIN).encode()),
    ]
    fields += [(name.encode(), text.encode()) for name, text in error.told.items()]
    if (pushback := pushback_ms(error)) is not None:
        fields.append((PUSHBACK.encode(), pushback.encode()))
    return fields
