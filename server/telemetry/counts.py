"""What is counted of one model version's requests: plain numbers that add up and travel.

A frontend counts into one of these, hands it over about every second, and begins a new one; the
gateway adds them up. Whatever else is to be counted per version gets a field here, a line in
`merge`, and its family in one of the files that `recorder.py` names.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from server.exchange import STAGES
from server.statistics import BatchStatistics, Duration, ModelStatistics

OK = "OK"
"""The outcome of a request that was answered; that of any other is the code of its error."""

PROTOCOLS = ("rest", "grpc")
LATENCY_BUCKETS = (
    0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5,
    5.0, 10.0, 30.0, 60.0,
)  # fmt: skip
LATENCY_BOUNDS_NS = tuple(round(bound * 1e9) for bound in LATENCY_BUCKETS)
WIDTH = len(LATENCY_BUCKETS) + 1
"""Buckets of a duration: one per bound, and one above all of them."""


class Exemplar(msgspec.Struct, array_like=True, frozen=True):
    """One request to look at: its trace, how long it took, and when (seconds since 1970)."""

    trace_id: str
    ns: int
    at: float


class Latency(msgspec.Struct, array_like=True):
    """Durations: their sum, and how many are in each bucket; buckets are not cumulative.

    `exemplars` has the newest one of a bucket, by its index.
    """

    ns: int = 0
    buckets: list[int] = msgspec.field(default_factory=lambda: [0] * WIDTH)
    exemplars: dict[int, Exemplar] = {}

    @property
    def count(self) -> int:
        """How many there were."""
        return sum(self.buckets)


class ProtocolCounts(msgspec.Struct, array_like=True):
    """Requests that ended over one protocol, by outcome; all else is of the answered ones.

    `stage_ns` and `stage_buckets` are in the order of exchange.STAGES, as plain lists since they
    are added to most often. Bytes are those of messages, not of what the network adds to them.
    """

    outcomes: dict[str, Latency] = {}
    stage_ns: list[int] = msgspec.field(default_factory=lambda: [0] * len(STAGES))
    stage_buckets: list[list[int]] = msgspec.field(
        default_factory=lambda: [[0] * WIDTH for _ in STAGES]
    )
    rows: int = 0
    bytes_in: int = 0
    bytes_out: int = 0

    @property
    def stages(self) -> list[Latency]:
        """What each of exchange.STAGES took; to be read only."""
        return [Latency(*stage) for stage in zip(self.stage_ns, self.stage_buckets, strict=True)]

    def of(self, outcome: str) -> Latency:
        """Where requests with that outcome are counted."""
        found = self.outcomes.get(outcome)
        if found is None:
            found = self.outcomes[outcome] = Latency()
        return found


class BatchCounts(msgspec.Struct, array_like=True):
    """Executions of one batch size, and where their time went."""

    executions: int = 0
    input_ns: int = 0
    infer_ns: int = 0
    output_ns: int = 0


class Counts(msgspec.Struct, array_like=True):
    """One version's requests. Times are nanoseconds, `last_ms` milliseconds since 1970.

    `protocols` are those that were used. What batches were filled up with is in `padded_rows` and
    `padded_bytes`; `rejected` counts what was refused as too much, by errors.Overloaded.reason.
    """

    protocols: dict[str, ProtocolCounts] = {}
    last_ms: int = 0
    batches: dict[int, BatchCounts] = {}
    padded_rows: int = 0
    padded_bytes: int = 0
    rejected: dict[str, int] = {}

    def of(self, protocol: str) -> ProtocolCounts:
        """Where requests over that protocol are counted."""
        found = self.protocols.get(protocol)
        if found is None:
            found = self.protocols[protocol] = ProtocolCounts()
        return found


class VersionCounts(msgspec.Struct, array_like=True, frozen=True):
    """What one frontend counted of one version since it last told, and how many requests are in
    it now.
    """

    model: str
    version: int
    in_flight: int
    counts: Counts


Failures = dict[str, dict[str, int]]
"""By protocol, or door, and code."""


class Report(msgspec.Struct, array_like=True, frozen=True):
    """Everything one frontend counted since its last report. `unknown` belong to no ready version,
    `refused` were not let in for want of a right. `versions` are all that it routes to
    or still uses: of one that is not there, nothing is in flight. `usage` are the rows and bytes
    that are in flight per model, `lag` is how late its event loop was.
    """

    versions: tuple[VersionCounts, ...] = ()
    unknown: Failures = {}
    usage: dict[str, tuple[int, int]] = {}
    lag: Latency | None = None
    refused: Failures = {}


def merge(total: Counts, more: Counts) -> None:
    """Add `more` to `total`."""
    for protocol, counts in more.protocols.items():
        _merge_protocol(total.of(protocol), counts)
    total.last_ms = max(total.last_ms, more.last_ms)
    total.padded_rows += more.padded_rows
    total.padded_bytes += more.padded_bytes
    merge_numbers(total.rejected, more.rejected)
    for size, batch in more.batches.items():
        there = total.batches.setdefault(size, BatchCounts())
        there.executions += batch.executions
        there.input_ns += batch.input_ns
        there.infer_ns += batch.infer_ns
        there.output_ns += batch.output_ns


def merge_numbers(total: dict[str, int], more: Mapping[str, int]) -> None:
    """Add numbers by name."""
    for name, count in more.items():
        total[name] = total.get(name, 0) + count


def merge_latency(total: Latency, more: Latency) -> None:
    """Add durations; the newer exemplars stay."""
    total.ns += more.ns
    _merge_list(total.buckets, more.buckets)
    total.exemplars.update(more.exemplars)


def _merge_protocol(total: ProtocolCounts, more: ProtocolCounts) -> None:
    for outcome, latency in more.outcomes.items():
        merge_latency(total.of(outcome), latency)
    _merge_list(total.stage_ns, more.stage_ns)
    for buckets, others in zip(total.stage_buckets, more.stage_buckets, strict=False):
        _merge_list(buckets, others)
    total.rows += more.rows
    total.bytes_in += more.bytes_in
    total.bytes_out += more.bytes_out


def _merge_list(total: list[int], more: list[int]) -> None:
    # Not strict: what comes from elsewhere may be short, and is then just that.
    for index, count in enumerate(more[: len(total)]):
        total[index] += count


def stage_ns(total: Counts, stage: str) -> int:
    """What one stage took in all, over all protocols."""
    index = STAGES.index(stage)
    return sum(counts.stage_ns[index] for counts in total.protocols.values())


def statistics_of(model: str, version: int, total: Counts) -> ModelStatistics:
    """The same in the words of the statistics extension."""
    answered, failed = Duration(), Duration()
    for counts in total.protocols.values():
        for outcome, latency in counts.outcomes.items():
            (answered if outcome == OK else failed).add(latency.ns, latency.count)
    return ModelStatistics(
        model, version,
        last_inference_ms=total.last_ms,
        inference_count=sum(counts.rows for counts in total.protocols.values()),
        execution_count=sum(batch.executions for batch in total.batches.values()),
        success=answered,
        fail=failed,
        queue=Duration(answered.count, stage_ns(total, "queue")),
        compute_input=Duration(answered.count, stage_ns(total, "assemble")),
        compute_infer=Duration(answered.count, stage_ns(total, "compute")),
        compute_output=Duration(answered.count, stage_ns(total, "split")),
        batches={
            size: BatchStatistics(
                Duration(batch.executions, batch.input_ns),
                Duration(batch.executions, batch.infer_ns),
                Duration(batch.executions, batch.output_ns),
            )
            for size, batch in total.batches.items()
        },
    )  # fmt: skip
