"""Everything counted of requests, added up over all frontends: read by `/metrics`, by the overview
and by the statistics API, so that all tell the same.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TypeVar

import msgspec
from prometheus_client import CollectorRegistry, disable_created_metrics
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from runtimes.contract.codes import Code
from server.statistics import ModelStatistics
from server.telemetry.batch_metrics import batch_metrics
from server.telemetry.counts import (
    Counts,
    Failures,
    Latency,
    Report,
    merge,
    merge_latency,
    merge_numbers,
    statistics_of,
)
from server.telemetry.histograms import add_latency
from server.telemetry.request_metrics import request_metrics
from server.telemetry.totals import LABELS, Totals, VersionTotals

Key = tuple[str, int]
Counted = TypeVar("Counted", Counts, Latency)

GATEWAY = "gateway"

DOORS, REFUSALS = ("rest", "grpc", "operators"), (Code.UNAUTHENTICATED, Code.PERMISSION_DENIED)
"""Where calls are refused for want of a right, and how."""

ENDS = ("hung", "signal", "exit")
"""How a process can have gone that is replaced. All are shown from the start: Prometheus sees no
increase in a counter that was not there before."""


@dataclass(slots=True)
class _Version:
    """The totals of one version; `expected` once it has been ready."""

    counts: Counts = field(default_factory=Counts)
    runtime: str = ""
    expected: bool = False
    restarts: dict[str, int] = field(default_factory=dict)


class _Frontend:
    """What one frontend last told of itself, and how late its loop was in all."""

    __slots__ = ("in_flight", "lag", "usage")

    def __init__(self) -> None:
        self.in_flight: dict[Key, int] = {}
        self.usage: dict[str, tuple[int, int]] = {}
        self.lag: Latency | None = None


class Recorders(Collector):
    """Totals per version, and the metric families made of them.

    Counted by the event loop, collected in any thread.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        # A second series per counter, of no use to rate().
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self._lock = threading.Lock()
        self._versions: dict[Key, _Version] = {}
        self._unknown: Failures = {}
        self._refused: Failures = {door: dict.fromkeys(REFUSALS, 0) for door in DOORS}
        self._frontends: dict[int, _Frontend] = {}
        self._lag = Latency()
        self._frontend_restarts = dict.fromkeys(ENDS, 0)
        registry.register(self)

    def expect(self, model: str, version: int, runtime: str) -> None:
        """Count a version from here on; one that was there before goes on where it was."""
        with self._lock:
            there = self._versions.setdefault((model, version), _Version())
            there.runtime, there.expected = runtime, True

    def add(self, frontend: int, report: Report) -> None:
        """Add what a frontend counted; of versions that are forgotten, nothing is kept."""
        with self._lock:
            there = self._frontends.setdefault(frontend, _Frontend())
            there.in_flight, there.usage = {}, report.usage
            for one in report.versions:
                key = (one.model, one.version)
                version = self._versions.get(key)
                if version is not None:
                    merge(version.counts, one.counts)
                    there.in_flight[key] = there.in_flight.get(key, 0) + one.in_flight
            for protocol, failures in report.unknown.items():
                merge_numbers(self._unknown.setdefault(protocol, {}), failures)
            for door, refusals in report.refused.items():
                merge_numbers(self._refused.setdefault(door, {}), refusals)
            if report.lag is not None:
                there.lag = there.lag or Latency()
                merge_latency(there.lag, report.lag)

    def late(self, lag: Latency) -> None:
        """Add how late the gateway's own event loop was."""
        with self._lock:
            merge_latency(self._lag, lag)

    def restarted(self, model: str, version: int, reason: str) -> None:
        """Count a worker that is replaced."""
        with self._lock:
            there = self._versions.setdefault((model, version), _Version())
            merge_numbers(there.restarts, {reason: 1})

    def frontend_restarted(self, reason: str) -> None:
        """Count a frontend process that is replaced."""
        with self._lock:
            merge_numbers(self._frontend_restarts, {reason: 1})

    def frontend_gone(self, frontend: int) -> None:
        """Nothing is in flight there any more."""
        with self._lock:
            self._frontends.pop(frontend, None)

    def forget(self, model: str, version: int) -> None:
        """Drop a version's series, so that a server that swaps for months does not grow."""
        with self._lock:
            self._versions.pop((model, version), None)

    def statistics(self, model: str, version: int) -> ModelStatistics:
        """One version's totals; zeros for one that was never expected."""
        there = self._versions.get((model, version), _Version())
        return statistics_of(model, version, there.counts)

    def snapshot(self) -> Totals:
        """A copy of all totals as they are at this moment."""
        with self._lock:
            usage: dict[str, tuple[int, int]] = {}
            for frontend in self._frontends.values():
                for model, (rows, size) in frontend.usage.items():
                    before = usage.get(model, (0, 0))
                    usage[model] = (before[0] + rows, before[1] + size)
            lags = {
                f"frontend-{number}": one.lag
                for number, one in self._frontends.items()
                if one.lag is not None
            }
            return Totals(
                [
                    VersionTotals(
                        *key, one.runtime, _copy(one.counts), self._in_flight(key), {**one.restarts}
                    )
                    for key, one in self._versions.items()
                    if one.expected
                ],
                {protocol: {**codes} for protocol, codes in self._unknown.items()},
                usage,
                {name: _copy(lag) for name, lag in {GATEWAY: self._lag, **lags}.items()},
                {door: {**codes} for door, codes in self._refused.items()},
            )

    def collect(self) -> Iterator[Metric]:
        """The families as they stand; called at a scrape."""
        totals = self.snapshot()
        yield from request_metrics(totals)
        yield from batch_metrics(totals)
        restarts = CounterMetricFamily(
            "underway_worker_restarts", "Workers that were replaced, by why the old one went.",
            labels=(*LABELS, "reason"),
        )  # fmt: skip
        for one in totals.versions:
            for reason, count in (dict.fromkeys(ENDS, 0) | dict(one.restarts)).items():
                restarts.add_metric((*one.names, reason), count)
        frontends = CounterMetricFamily(
            "underway_frontend_restarts", "Frontend processes that were replaced, by why.",
            labels=("reason",),
        )  # fmt: skip
        for reason, count in self._frontend_restarts.items():
            frontends.add_metric((reason,), count)
        lags = HistogramMetricFamily(
            "underway_event_loop_lag_seconds", "How late each process's event loop was.",
            labels=("process",),
        )  # fmt: skip
        for process, lag in totals.lags.items():
            add_latency(lags, (process,), lag)
        refused = CounterMetricFamily(
            "underway_refused_calls", "Calls that no right let in, by port and why.",
            labels=("door", "code"),
        )  # fmt: skip
        for door, codes in totals.refused.items():
            for code, count in codes.items():
                refused.add_metric((door, code), count)
        yield from (restarts, frontends, lags, refused)

    def _in_flight(self, key: Key) -> int:
        return sum(there.in_flight.get(key, 0) for there in self._frontends.values())


def _copy(counted: Counted) -> Counted:
    # Faster than copy.deepcopy, and all that is counted can travel.
    return msgspec.msgpack.decode(msgspec.msgpack.encode(counted), type=type(counted))
