"""Requests as metrics: how many, how they ended, how long they and their stages took."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)

from runtimes.contract.codes import Code
from server.exchange import STAGES
from server.telemetry.counts import OK, PROTOCOLS, ProtocolCounts
from server.telemetry.histograms import add_latency
from server.telemetry.totals import LABELS, UNKNOWN, Totals

OUTCOMES = (OK, *(code.value for code in Code))
REJECTIONS = ("rows", "bytes", "model_rows", "model_bytes", "worker", "queue")
"""What there can be too much of."""


def request_metrics(totals: Totals) -> Iterator[Metric]:
    """The families of all requests."""
    yield from _outcomes(totals)
    yield _stages(totals)
    yield from _sizes(totals)
    yield from _pending(totals)


def _outcomes(totals: Totals) -> Iterator[Metric]:
    labels = (*LABELS, "protocol", "outcome")
    requests = CounterMetricFamily(
        "underway_requests", "Inference requests that ended; outcome is OK or an error's code.",
        labels=labels,
    )  # fmt: skip
    duration = HistogramMetricFamily(
        "underway_request_duration_seconds",
        "From when a request is there as a whole to when its answer is ready to be sent.",
        labels=labels,
    )
    rejected = CounterMetricFamily(
        "underway_requests_rejected",
        "Inference requests refused because too much was in flight, by what there was too much of.",
        labels=(*LABELS, "reason"),
    )
    for one in totals.versions:
        for protocol in dict.fromkeys((*PROTOCOLS, *one.counts.protocols)):
            counts = one.counts.protocols.get(protocol, _NONE)
            # All are there from the start: Prometheus sees no increase in a new series.
            for outcome in OUTCOMES:
                if outcome not in counts.outcomes:
                    requests.add_metric((*one.names, protocol, outcome), 0)
            for outcome, latency in counts.outcomes.items():
                requests.add_metric((*one.names, protocol, outcome), latency.count)
                add_latency(duration, (*one.names, protocol, outcome), latency)
        for reason, count in (dict.fromkeys(REJECTIONS, 0) | one.counts.rejected).items():
            rejected.add_metric((*one.names, reason), count)
    for protocol, by_code in totals.unknown.items():
        for code, count in by_code.items():
            requests.add_metric((UNKNOWN, "", "", protocol, code), count)
    yield from (requests, duration, rejected)


def _stages(totals: Totals) -> Metric:
    stages = HistogramMetricFamily(
        "underway_stage_duration_seconds",
        "Where the time of answered requests went; the stages add up to the whole request.",
        labels=(*LABELS, "protocol", "stage"),
    )
    for one in totals.versions:
        for protocol, counts in one.counts.protocols.items():
            for stage, latency in zip(STAGES, counts.stages, strict=True):
                add_latency(stages, (*one.names, protocol, stage), latency)
    return stages


def _sizes(totals: Totals) -> Iterator[Metric]:
    labels = (*LABELS, "protocol")
    rows = CounterMetricFamily("underway_rows", "Rows that were answered.", labels=labels)
    taken = CounterMetricFamily(
        "underway_request_bytes", "Bytes of requests, once unpacked.", labels=labels
    )
    given = CounterMetricFamily(
        "underway_response_bytes", "Bytes of answers as they were sent.", labels=labels
    )
    for one in totals.versions:
        for protocol, counts in one.counts.protocols.items():
            rows.add_metric((*one.names, protocol), counts.rows)
            taken.add_metric((*one.names, protocol), counts.bytes_in)
            given.add_metric((*one.names, protocol), counts.bytes_out)
    yield from (rows, taken, given)


def _pending(totals: Totals) -> Iterator[Metric]:
    in_flight = GaugeMetricFamily(
        "underway_requests_in_flight", "Inference requests being answered.", labels=LABELS
    )
    rows = GaugeMetricFamily(
        "underway_pending_rows", "Rows of requests let in and not yet computed.", labels=("model",)
    )
    size = GaugeMetricFamily(
        "underway_pending_bytes", "Bytes of their inputs.", labels=("model",)
    )  # fmt: skip
    for one in totals.versions:
        in_flight.add_metric(one.names, one.in_flight)
    for model, (its_rows, its_bytes) in totals.usage.items():
        rows.add_metric((model,), its_rows)
        size.add_metric((model,), its_bytes)
    yield from (in_flight, rows, size)


_NONE = ProtocolCounts()
