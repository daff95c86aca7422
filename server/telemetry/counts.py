"""What is counted of one model version's requests: plain numbers that add up and travel.

A frontend counts into one of these, hands it over about every second, and begins a new one; the
gateway adds them up. Whatever else is to be counted per version gets a field here, a line in
`merge`, and its family in `recorder.py`.
"""

from __future__ import annotations

import msgspec

from server.statistics import BatchStatistics, Duration, ModelStatistics

PROTOCOLS = ("rest", "grpc")
LATENCY_BUCKETS = (
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
)  # fmt: skip
BATCH_BUCKETS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)
LATENCY_BOUNDS_NS = tuple(round(bound * 1e9) for bound in LATENCY_BUCKETS)


def _no_buckets() -> list[int]:
    return [0] * (len(LATENCY_BUCKETS) + 1)


class ProtocolCounts(msgspec.Struct, array_like=True):
    """Requests ended over one protocol; `buckets` are not cumulative, the last one is above all
    bounds. `failures` go by code.
    """

    requests: int = 0
    ns: int = 0
    buckets: list[int] = msgspec.field(default_factory=_no_buckets)
    failures: dict[str, int] = {}


class BatchCounts(msgspec.Struct, array_like=True):
    """Executions of one batch size, and where their time went."""

    executions: int = 0
    input_ns: int = 0
    infer_ns: int = 0
    output_ns: int = 0


class Counts(msgspec.Struct, array_like=True):
    """One version's requests. Times are nanoseconds, `last_ms` milliseconds since 1970.

    `queue_buckets` are of the time in the worker's queue, as ProtocolCounts has them. What batches
    were filled up with is in `padded_rows` and `padded_bytes`.
    """

    rest: ProtocolCounts = msgspec.field(default_factory=ProtocolCounts)
    grpc: ProtocolCounts = msgspec.field(default_factory=ProtocolCounts)
    last_ms: int = 0
    rows: int = 0
    answered: int = 0
    answered_ns: int = 0
    failed: int = 0
    failed_ns: int = 0
    queue_ns: int = 0
    input_ns: int = 0
    infer_ns: int = 0
    output_ns: int = 0
    batches: dict[int, BatchCounts] = {}
    queue_buckets: list[int] = msgspec.field(default_factory=_no_buckets)
    padded_rows: int = 0
    padded_bytes: int = 0

    def of(self, protocol: str) -> ProtocolCounts:
        """The part of one of PROTOCOLS."""
        return self.rest if protocol == "rest" else self.grpc


class VersionCounts(msgspec.Struct, array_like=True, frozen=True):
    """What one frontend counted of one version since it last told, and how many requests are in
    it now.
    """

    model: str
    version: int
    in_flight: int
    counts: Counts


Unknown = dict[str, dict[str, int]]
"""Failures that belong to no ready version, by protocol and code."""


class Report(msgspec.Struct, array_like=True, frozen=True):
    """Everything one frontend counted since its last report. `versions` are all that it routes to
    or still uses: of one that is not there, nothing is in flight.
    """

    versions: tuple[VersionCounts, ...] = ()
    unknown: Unknown = {}


def merge(total: Counts, more: Counts) -> None:
    """Add `more` to `total`."""
    for protocol in PROTOCOLS:
        _merge_protocol(total.of(protocol), more.of(protocol))
    total.last_ms = max(total.last_ms, more.last_ms)
    total.rows += more.rows
    total.answered += more.answered
    total.answered_ns += more.answered_ns
    total.failed += more.failed
    total.failed_ns += more.failed_ns
    total.queue_ns += more.queue_ns
    total.input_ns += more.input_ns
    total.infer_ns += more.infer_ns
    total.output_ns += more.output_ns
    total.padded_rows += more.padded_rows
    total.padded_bytes += more.padded_bytes
    _merge_buckets(total.queue_buckets, more.queue_buckets)
    for size, batch in more.batches.items():
        there = total.batches.setdefault(size, BatchCounts())
        there.executions += batch.executions
        there.input_ns += batch.input_ns
        there.infer_ns += batch.infer_ns
        there.output_ns += batch.output_ns


def merge_failures(total: dict[str, int], more: dict[str, int]) -> None:
    """Add failures by code."""
    for code, count in more.items():
        total[code] = total.get(code, 0) + count


def _merge_protocol(total: ProtocolCounts, more: ProtocolCounts) -> None:
    total.requests += more.requests
    total.ns += more.ns
    _merge_buckets(total.buckets, more.buckets)
    merge_failures(total.failures, more.failures)


def _merge_buckets(total: list[int], more: list[int]) -> None:
    # Not strict: what comes from elsewhere may be short, and is then just that.
    for index, count in enumerate(more[: len(total)]):
        total[index] += count


def statistics_of(model: str, version: int, total: Counts) -> ModelStatistics:
    """The same in the words of the statistics extension."""
    return ModelStatistics(
        model, version,
        last_inference_ms=total.last_ms,
        inference_count=total.rows,
        execution_count=sum(batch.executions for batch in total.batches.values()),
        success=Duration(total.answered, total.answered_ns),
        fail=Duration(total.failed, total.failed_ns),
        queue=Duration(total.answered, total.queue_ns),
        compute_input=Duration(total.answered, total.input_ns),
        compute_infer=Duration(total.answered, total.infer_ns),
        compute_output=Duration(total.answered, total.output_ns),
        batches={
            size: BatchStatistics(
                Duration(batch.executions, batch.input_ns),
                Duration(batch.executions, batch.infer_ns),
                Duration(batch.executions, batch.output_ns),
            )
            for size, batch in total.batches.items()
        },
    )  # fmt: skip
