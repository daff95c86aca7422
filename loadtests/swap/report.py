"""The result as one object, as JSON, and as Markdown for people."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np

from loadtests.swap.bench import Measured
from loadtests.swap.figures import (
    FIRST_BOUND,
    Compared,
    FirstRequests,
    Phase,
    compare,
    first_requests,
    phases,
    swap_windows,
    within,
)
from loadtests.swap.questions import MODELS
from loadtests.swap.verdict import Verdict, judge


@dataclass(frozen=True, slots=True)
class Result:
    """What is reported.

    `seconds` is from the first swap to the last, `in_swaps` of them were within one. `late_*` are
    milliseconds between when a request was due and was sent.
    """

    model: str
    swaps: int
    seconds: float
    capacity: float
    rate: float
    cpus: int
    machine: str
    verdict: Verdict
    in_swaps: float
    late_p50: float
    late_p99: float
    late_max: float
    compared: Sequence[Compared]
    phases: Sequence[Phase]
    first: FirstRequests

    @property
    def is_good(self) -> bool:
        """No request failed, and every answer came from a version that was READY."""
        return self.verdict.failed == 0 and not self.verdict.strangers


def result_of(measured: Measured) -> Result:
    """All figures of one measurement."""
    table, options = measured.records.table, measured.options
    answered = table["failure"] < 0
    windows = swap_windows(measured.history, options.model, measured.published)
    steady = answered & within(table["intended"], [measured.steady])
    swaps = answered & within(table["intended"], windows)
    between = answered & within(table["intended"], [measured.swaps]) & ~swaps
    late = np.percentile(table["late"], [50, 99, 100]) * 1000
    return Result(
        model=options.model,
        swaps=options.versions,
        seconds=measured.swaps[1] - measured.swaps[0],
        capacity=measured.capacity,
        rate=measured.rate,
        cpus=len(os.sched_getaffinity(0)),
        machine=platform.machine(),
        verdict=judge(measured.records, MODELS, measured.history),
        in_swaps=sum(end - begin for begin, end in windows),
        late_p50=float(late[0]),
        late_p99=float(late[1]),
        late_max=float(late[2]),
        compared=compare(table, MODELS, options.model, (steady, between, swaps)),
        phases=phases(measured.history, options.model, measured.published),
        first=first_requests(table, MODELS, options.model, steady),
    )


def to_json(result: Result) -> str:
    """Everything, the ratios included."""
    document = asdict(result)
    for item, compared in zip(document["compared"], result.compared, strict=True):
        item |= {"p50_ratio": compared.p50_ratio, "p99_ratio": compared.p99_ratio}
    return json.dumps({**document, "failed": result.verdict.failed}, indent=2)


def to_markdown(result: Result) -> str:
    """Tables for people."""
    verdict = result.verdict
    lines = [
        f"# {result.swaps} versions of {result.model} under load",
        "",
        _conditions(result),
        "",
        f"**{verdict.requests} requests, {verdict.failed} failed, {len(verdict.strangers)} "
        f"answered by a version that was not READY.** {verdict.versions[result.model]} versions of "
        f"{result.model} answered.",
        "",
        *[f"- {count} times: {text}" for text, count in verdict.failures.items()],
        *[f"- {text}" for text in verdict.strangers[:20]],
        "| Latency in ms | requests | p50 steady | between | in swaps | ratio "
        "| p99 steady | between | in swaps | ratio |",
        "|---|---|---|---|---|---|---|---|---|---|",
        *[_compared(item) for item in result.compared],
        "",
        "| Phase of a swap | times | median s | longest s |",
        "|---|---|---|---|",
        *[f"| {p.name} | {p.count} | {p.median:.3f} | {p.longest:.3f} |" for p in result.phases],
        "",
        _first(result.first),
        "",
        f"Requests were sent {result.late_p50:.2f} ms (median), {result.late_p99:.2f} ms (p99) and "
        f"at most {result.late_max:.2f} ms after they were due; latencies include that.",
        "",
    ]
    return "\n".join(lines)


def _conditions(result: Result) -> str:
    of_capacity = ""
    if result.capacity:
        share = result.rate / result.capacity
        of_capacity = f" ({share:.0%} of the {result.capacity:.0f}/s a closed loop reached)"
    return (
        f"{result.rate:.0f} requests/s{of_capacity}, half REST with binary tensors and half gRPC, "
        f"over {len(MODELS)} models, at random moments fixed beforehand; {result.swaps} swaps in "
        f"{result.seconds:.0f} s. A request is in a swap if it was due between the publishing of a "
        f"version and the end of the one before: {result.in_swaps:.1f} s in all. Ratios are in "
        f"swaps over steady. Server, workers and load generators share {result.cpus} CPUs "
        f"({result.machine})."
    )


def _compared(item: Compared) -> str:
    times = (item.steady, item.between, item.swaps)
    requests = " + ".join(str(time.requests) for time in times)
    p50 = " | ".join(f"{time.p50:.2f}" for time in times)
    p99 = " | ".join(f"{time.p99:.2f}" for time in times)
    return (
        f"| {item.who} | {requests} | {p50} | {item.p50_ratio:.2f} | {p99} | {item.p99_ratio:.2f} |"
    )


def _first(first: FirstRequests) -> str:
    return (
        f"The first request after each of {first.count} switches took {first.median_ratio:.2f} x "
        f"the steady median of its batch size and protocol (median; p90 {first.p90_ratio:.2f} x); "
        f"{first.within:.0%} took at most {FIRST_BOUND} x, as did {first.steady_within:.0%} of the "
        "steady requests."
    )
