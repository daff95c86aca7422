"""One HTTP request, whole, before it is known who sends it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class HttpCall:
    """A POST of `body` to `path`."""

    path: str
    headers: Mapping[str, str]
    body: bytes

    def raw(self, host: str) -> bytes:
        """As the bytes of an HTTP/1.1 request to `host`."""
        lines = [
            f"POST {self.path} HTTP/1.1",
            f"Host: {host}",
            *(f"{name}: {value}" for name, value in self.headers.items()),
            f"Content-Length: {len(self.body)}",
        ]
        return "\r\n".join([*lines, "", ""]).encode() + self.body


def adding(request: bytes, headers: Mapping[str, str]) -> bytes:
    """Such bytes with more headers."""
    if not headers:
        return request
    line, end, rest = request.partition(b"\r\n")
    more = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return b"".join((line, end, more.encode(), rest))
