"""Figures out of samples: medians over the rounds, ratios of what was measured in turn; pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from statistics import median

from loadtests.bench.records import BARE, IN_PROCESS, Records, Sample, Start

Number = float | None
"""None where it was not measured."""


@dataclass(frozen=True, slots=True)
class Key:
    """One case: what its rounds have in common."""

    group: str
    model: str
    variant: str
    protocol: str
    concurrency: int


@dataclass(frozen=True, slots=True)
class Figure:
    """One case over its rounds; CPU is in ms per request, latencies are ms.

    `cpu_over_bare`, `added_p50` and `over_in_process` (rows per second) compare within a round.
    """

    key: Key
    throughput: float
    p50: float
    p99: float
    cpu: float
    worker_cpu: float
    batch: float
    failed: int
    rows_per_worker_second: Number
    bare_cpu: Number
    bare_throughput: Number
    cpu_over_bare: Number
    added_p50: Number
    in_process_ms: Number
    over_in_process: Number


def figures(samples: Sequence[Sample]) -> list[Figure]:
    """Of every case, in the order in which they were measured."""
    keys = dict.fromkeys(_key(one) for one in samples if one.subject not in (BARE, IN_PROCESS))
    return [_figure(key, samples) for key in keys]


def starts(records: Records, model: str, variant: str) -> list[Start]:
    """Those of one server."""
    return [one for one in records.starts if (one.model, one.variant) == (model, variant)]


def middle(values: Iterable[float]) -> Number:
    """The median, None of nothing."""
    held = list(values)
    return median(held) if held else None


def ratio(over: Number, under: Number) -> Number:
    """None where one of them lacks or nothing can be divided by."""
    return over / under if over is not None and under else None


def _key(one: Sample) -> Key:
    return Key(one.group, one.model, one.variant, one.protocol, one.concurrency)


def _figure(key: Key, samples: Sequence[Sample]) -> Figure:
    own = [one for one in samples if one.subject == key.model and _key(one) == key]
    alone = [one for one in samples if one.subject == IN_PROCESS and _key(one) == key]
    bare = [
        one
        for one in samples
        if one.subject == BARE
        and (one.group, one.protocol, one.concurrency) == (key.group, key.protocol, key.concurrency)
    ]
    return Figure(
        key,
        throughput=median(one.throughput for one in own),
        p50=median(one.p50 for one in own),
        p99=median(one.p99 for one in own),
        cpu=median(one.cpu_ms for one in own),
        worker_cpu=median(1000 * one.worker_cpu / one.requests for one in own),
        batch=median(one.batch for one in own),
        failed=sum(one.failed for one in own),
        rows_per_worker_second=middle(
            one.rows / one.worker_cpu for one in own if one.worker_cpu > 0
        ),
        bare_cpu=middle(one.cpu_ms for one in bare),
        bare_throughput=middle(one.throughput for one in bare),
        cpu_over_bare=_in_turn(own, bare, lambda one, other: ratio(one.cpu_ms, other.cpu_ms)),
        added_p50=_in_turn(own, bare, lambda one, other: one.p50 - other.p50),
        in_process_ms=middle(1000 * one.cpu / one.rows for one in alone),
        over_in_process=_in_turn(
            own, alone, lambda one, other: ratio(one.throughput, other.throughput)
        ),
    )


def _in_turn(
    own: Sequence[Sample],
    others: Sequence[Sample],
    compare: Callable[[Sample, Sample], Number],
) -> Number:
    """The median over the rounds of what a sample is to the other of the same round."""
    beside = {other.round: other for other in others}
    found = (compare(one, beside[one.round]) for one in own if one.round in beside)
    return middle(value for value in found if value is not None)
