"""The same counts under the names and labels of TensorFlow Serving, for dashboards made for it
(`--metrics-compat tf_serving`). Its durations are microseconds; the bounds of buckets are ours, and
all versions of a model are one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from prometheus_client.core import HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from runtimes.contract.codes import Code
from server.exchange import STAGES
from server.telemetry.counts import (
    LATENCY_BUCKETS,
    OK,
    Latency,
    ProtocolCounts,
    merge_latency,
)
from server.telemetry.foreign import Counter
from server.telemetry.histograms import cumulative
from server.telemetry.totals import UNKNOWN, Totals, VersionTotals

PREFIX = ":tensorflow:serving:"

STATUS: Mapping[str, str] = {
    Code.TOO_LARGE: "RESOURCE_EXHAUSTED",
    Code.OVERLOADED: "RESOURCE_EXHAUSTED",
    Code.UNSUPPORTED: "UNIMPLEMENTED",
}
"""TensorFlow's word for each code that has another one there."""

API: Mapping[str, tuple[str, str]] = {"rest": ("predict", "REST"), "grpc": ("Predict", "GRPC")}
"""The labels API and entrypoint by protocol; the case of the first differs there, too."""

MICROSECONDS = tuple(round(bound * 1e6) for bound in LATENCY_BUCKETS)

_QUEUE, _COMPUTE = STAGES.index("queue"), STAGES.index("compute")

Names = tuple[str, ...]


class TfServingNames(Collector):
    """Every family is made of what `totals` gives."""

    def __init__(self, totals: Callable[[], Totals]) -> None:
        self._totals = totals

    def collect(self) -> Iterator[Metric]:
        """The families as they stand."""
        totals = self._totals()
        yield from _requests(totals)
        yield _latency(
            totals, "request_latency", "Microseconds of requests.",
            ("model_name", "API", "entrypoint"),
            lambda one, protocol: (one.model, *_api(protocol)),
            lambda counts: counts.outcomes.get(OK, _NONE),
        )  # fmt: skip
        yield _latency(
            totals, "runtime_latency", "Microseconds in the runtime.",
            ("model_name", "API", "runtime"),
            lambda one, protocol: (one.model, _api(protocol)[0], one.runtime),
            lambda counts: counts.stages[_COMPUTE],
        )  # fmt: skip
        yield _latency(
            totals, "batching_session:queuing_latency", "Microseconds in the queue.",
            ("thread_pool_name",),
            lambda one, protocol: (one.model,),
            lambda counts: counts.stages[_QUEUE],
        )  # fmt: skip


def _requests(totals: Totals) -> Iterator[Metric]:
    by_status: dict[Names, int] = {}
    rows: dict[str, int] = {}
    runs = 0
    for one in totals.versions:
        runs += sum(batch.executions for batch in one.counts.batches.values())
        for counts in one.counts.protocols.values():
            rows[one.model] = rows.get(one.model, 0) + counts.rows
            for outcome, latency in counts.outcomes.items():
                _count(by_status, one.model, outcome, latency.count)
    for codes in totals.unknown.values():
        for code, count in codes.items():
            _count(by_status, UNKNOWN, code, count)
    requests = Counter(f"{PREFIX}request_count", "Requests.", ("model_name", "status"))
    for names, count in by_status.items():
        requests.add(names, count)
    examples = Counter(f"{PREFIX}request_example_count_total", "Answered rows.", ("model",))
    for model, count in rows.items():
        examples.add((model,), count)
    batches = Counter(f"{PREFIX}batching_session:wrapped_run_count", "Executed batches.")
    batches.add((), runs)
    yield from (requests, examples, batches)


def _count(by_status: dict[Names, int], model: str, outcome: str, count: int) -> None:
    key = (model, STATUS.get(outcome, outcome))
    by_status[key] = by_status.get(key, 0) + count


def _latency(
    totals: Totals,
    name: str,
    text: str,
    labels: Names,
    names_of: Callable[[VersionTotals, str], Names],
    latency_of: Callable[[ProtocolCounts], Latency],
) -> Metric:
    """A histogram of durations, those that have the same names added up."""
    found: dict[Names, Latency] = {}
    for one in totals.versions:
        for protocol, counts in one.counts.protocols.items():
            into = found.setdefault(names_of(one, protocol), Latency())
            merge_latency(into, latency_of(counts))
    family = HistogramMetricFamily(PREFIX + name, text, labels=labels)
    for names, latency in found.items():
        family.add_metric(names, cumulative(MICROSECONDS, latency.buckets), latency.ns / 1e3)
    return family


def _api(protocol: str) -> tuple[str, str]:
    return API.get(protocol, (protocol, protocol))


_NONE = Latency()
