"""What one generator process is to send, and when: fixed before the first request is sent."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from loadtests.generator.trust import Trust
from loadtests.wire.token import Token

BLOCK = 1024

READY = "ready"
"""What a generator says once it is connected; then it is told when to start."""

Transport = Literal["http", "grpc"]
Moments = Literal["poisson", "constant"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """`rate` requests per second from `start` (monotonic seconds) on, which comes last of all.

    `requests` are complete: a whole HTTP/1.1 request each, or a serialised message for the gRPC
    `method`. Each is sent with its share of `weights`, equally often where there are none. A
    `rate` of 0 is a closed loop: each of `clients` sends again once it is answered. In an open
    loop `clients` is the most that can be under way; a request that waits for a place is late,
    which counts as the server's time. It ends after `seconds`, with 0 when it is told to.
    With `trust` it speaks TLS. `token` is shown with each request.
    """

    transport: Transport
    address: str
    requests: tuple[bytes, ...]
    method: str = ""
    weights: tuple[float, ...] = ()
    rate: float = 0.0
    moments: Moments = "poisson"
    clients: int = 1
    start: float = 0.0
    seconds: float = 0.0
    seed: int = 1
    trust: Trust | None = None
    token: Token = field(default_factory=Token)

    def pack(self) -> bytes:
        """As the content of a file; without the token, which is never written down."""
        return msgspec.msgpack.encode(replace(self, token=Token()))

    @classmethod
    def unpack(cls, content: bytes) -> Plan:
        """The plan in such a file."""
        return msgspec.msgpack.decode(content, type=cls)


@dataclass(frozen=True, slots=True)
class Arrival:
    """A request, by its place in the plan, that is due `at` (monotonic seconds)."""

    at: float
    request: int


def arrivals(plan: Plan) -> Iterator[Arrival]:
    """The plan's requests, without end where it has no `seconds`: the same for the same seed."""
    end = plan.start + plan.seconds if plan.seconds and plan.rate else float("inf")
    for at, request in schedule(
        plan.rate, plan.moments, len(plan.requests), plan.seed, plan.weights
    ):
        if plan.start + at >= end:
            return
        yield Arrival(plan.start + at, request)


def schedule(
    rate: float, moments: Moments, count: int, seed: int, weights: tuple[float, ...] = ()
) -> Iterator[tuple[float, int]]:
    """Seconds since the start and which of `count` requests, without end; all 0 s at rate 0."""
    random = np.random.default_rng(seed)
    at = 0.0
    while True:
        gaps = _gaps(rate, moments, random)
        chosen = random.choice(count, p=weights or None, size=BLOCK)
        for gap, request in zip(gaps.tolist(), chosen.tolist(), strict=True):
            at += gap
            yield at, request


def _gaps(rate: float, moments: Moments, random: np.random.Generator) -> NDArray[np.float64]:
    if not rate:
        return np.zeros(BLOCK)
    if moments == "constant":
        return np.full(BLOCK, 1 / rate)
    return random.exponential(1 / rate, BLOCK)
