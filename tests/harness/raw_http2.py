"""HTTP/2 by hand (RFC 9113, fields as literals of RFC 7541), to send what no client would."""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator
from typing import NamedTuple

from tests.harness.server_process import ServerProcess

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = (
    0, 1, 3, 4, 6, 7, 8, 9,
)  # fmt: skip
END_STREAM, END_HEADERS = 1, 4
MAX_PAYLOAD = 16_384


class Frame(NamedTuple):
    """One frame as it came."""

    kind: int
    flags: int
    stream: int
    payload: bytes


def frame(kind: int, flags: int = 0, stream: int = 0, payload: bytes = b"") -> bytes:
    """One frame to send."""
    return (
        struct.pack(">I", len(payload))[1:] + bytes((kind, flags)) + struct.pack(">I", stream)
    ) + payload


def fields(*pairs: tuple[str, str]) -> bytes:
    """A block of header fields, none indexed."""
    return b"".join(
        b"\0" + b"".join(bytes((len(text),)) + text.encode() for text in pair) for pair in pairs
    )


def call_fields(path: str) -> bytes:
    """The head of a gRPC call."""
    return fields(
        (":method", "POST"), (":scheme", "http"), (":path", path), (":authority", "x"),
        ("content-type", "application/grpc"), ("te", "trailers"),
    )  # fmt: skip


class Connection:
    """A connection on which the preface and empty settings were sent."""

    def __init__(self, server: ServerProcess) -> None:
        self.sock = socket.create_connection(("127.0.0.1", server.grpc_port), timeout=30)
        self.sock.sendall(PREFACE + frame(SETTINGS))

    def __enter__(self) -> Connection:
        return self

    def __exit__(self, *error: object) -> None:
        self.sock.close()

    def call(self, stream: int, path: str, message: bytes) -> None:
        """Send one call with one message."""
        body = struct.pack(">BI", 0, len(message)) + message
        parts = [body[at : at + MAX_PAYLOAD] for at in range(0, len(body), MAX_PAYLOAD)]
        self.sock.sendall(
            frame(HEADERS, END_HEADERS, stream, call_fields(path))
            + b"".join(frame(DATA, 0, stream, part) for part in parts[:-1])
            + frame(DATA, END_STREAM, stream, parts[-1])
        )

    def frames(self) -> Iterator[Frame]:
        """What comes until the server closes the connection."""
        with self.sock.makefile("rb") as file:
            try:
                while len(head := file.read(9)) == 9:
                    size = int.from_bytes(head[:3])
                    stream = int.from_bytes(head[5:])
                    yield Frame(head[3], head[4], stream, file.read(size))
            except ConnectionError:
                return
