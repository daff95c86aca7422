"""The access log: one line for some of the requests, with nothing of what they carry."""

from __future__ import annotations

import random
from collections.abc import Callable

import structlog

from runtimes.contract.codes import Code
from server.exchange import STAGES, Exchange

log = structlog.get_logger()

MS = 1_000_000


class AccessLog:
    """Logs each request with probability `rate`; `draw` gives numbers from 0 to below 1."""

    def __init__(self, rate: float, draw: Callable[[], float] = random.random) -> None:
        self._rate = rate
        self._draw = draw

    def ended(self, exchange: Exchange, code: Code | None) -> None:
        """Log it, or not."""
        if self._draw() >= self._rate:
            return
        # Of all that comes from outside, only names: no header, no parameter, no tensor.
        line: dict[str, object] = {
            "model": exchange.model,
            "version": str(exchange.answering or exchange.version),
            "protocol": exchange.protocol,
            "outcome": "OK" if code is None else code.value,
            "bytes_in": exchange.bytes_in,
            "bytes_out": exchange.bytes_out,
            "total_ms": round(exchange.total_ns / MS, 3),
        }
        if code is None:
            stages = zip(STAGES, exchange.stages(), strict=True)
            line["stages_ms"] = {stage: round(ns / MS, 3) for stage, ns in stages}
        if exchange.request_id:
            line["request_id"] = exchange.request_id
        if exchange.trace is not None:
            line["trace_id"] = exchange.trace.trace_id
        log.info("request", **line)
