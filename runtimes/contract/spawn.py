"""What the gateway and a zygote say to each other: one JSON list per packet, no tensors.

gateway -> zygote    fork NAME, with two file descriptors: the worker's socket and its log pipe
zygote -> gateway    imported, or failed REASON; then forked NAME PID or fork failed
                         NAME REASON, and exited PID STATUS
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from runtimes.contract.messages import ProtocolError

MAX_PACKET = 64 * 2**10


@dataclass(frozen=True, slots=True)
class Fork:
    """Start a worker; `name` is for people and process lists, and comes back in Forked."""

    name: str


@dataclass(frozen=True, slots=True)
class Imported:
    """The framework is imported; forks may be asked for."""


@dataclass(frozen=True, slots=True)
class ImportFailed:
    """The framework cannot be imported here; the zygote exits after saying so."""

    reason: str


@dataclass(frozen=True, slots=True)
class Forked:
    """Worker `name` runs as `pid`."""

    name: str
    pid: int


@dataclass(frozen=True, slots=True)
class ForkFailed:
    """Worker `name` could not be started, for want of memory or processes."""

    name: str
    reason: str


@dataclass(frozen=True, slots=True)
class Exited:
    """Worker `pid` is gone; `status` is its exit code, negative for the signal that ended it."""

    pid: int
    status: int


Packet = Fork | Imported | ImportFailed | Forked | ForkFailed | Exited

_KINDS: dict[str, type[Packet]] = {
    kind.__name__: kind for kind in (Fork, Imported, ImportFailed, Forked, ForkFailed, Exited)
}


def encode_packet(packet: Packet) -> bytes:
    """One packet's bytes."""
    fields = [getattr(packet, name) for name in packet.__dataclass_fields__]
    return json.dumps([type(packet).__name__, *fields]).encode("ascii")


def decode_packet(data: bytes) -> Packet:
    """The packet in `data`; raises ProtocolError where it is none."""
    try:
        name, *fields = json.loads(data)
        packet: Packet = _KINDS[name](*fields)
    except (ValueError, KeyError, TypeError) as error:
        raise ProtocolError(f"malformed packet: {error}") from error
    return packet
