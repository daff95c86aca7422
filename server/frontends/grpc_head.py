"""What the head of a call says when it comes as plain HTTP/2; see gRPC's `PROTOCOL-HTTP2.md`."""

from __future__ import annotations

import re
from collections.abc import Mapping

from starlette.types import Scope

from server.errors import InvalidArgument
from server.frontends.calls import CallContext
from server.frontends.calls_edge import LazyMetadata, deadline_in
from server.frontends.grpc_frames import check_encoding

RawHeaders = Mapping[bytes, bytes]

CONTENT_TYPE = b"application/grpc"

_TIMEOUT = re.compile(rb"([0-9]{1,8})([HMSmun])")
_SECONDS = {b"H": 3600.0, b"M": 60.0, b"S": 1.0, b"m": 1e-3, b"u": 1e-6, b"n": 1e-9}


class CallHead:
    """One call's head. Raises InvalidArgument or Unsupported for what cannot be one.

    `seconds` is the time the client gives, None for any.
    """

    __slots__ = ("context", "encoding", "seconds")

    def __init__(self, scope: Scope, headers: RawHeaders) -> None:
        if scope["method"] != "POST":
            raise InvalidArgument("a call is a POST")
        if headers.get(b"te") != b"trailers":
            raise InvalidArgument("a call needs the header 'te: trailers'")
        self.encoding = headers.get(b"grpc-encoding", b"").decode("latin-1")
        check_encoding(self.encoding)
        self.seconds = _timeout(headers)

        def read() -> list[tuple[str, str]]:
            return [
                (key.decode("latin-1"), value.decode("latin-1"))
                for key, value in scope["headers"]
                if not key.endswith(b"-bin")
            ]

        self.context = CallContext(LazyMetadata(read), deadline_in(self.seconds))


def _timeout(headers: RawHeaders) -> float | None:
    given = headers.get(b"grpc-timeout")
    if given is None:
        return None
    found = _TIMEOUT.fullmatch(given)
    if found is None:
        raise InvalidArgument(
            "grpc-timeout: expected up to 8 digits and one of H, M, S, m, u and n, got "
            f"'{given[:32].decode('latin-1')}'"
        )
    return int(found[1]) * _SECONDS[found[2]]
