"""The bars that this server is held against, and whether each was reached; pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from loadtests.bench.figures import Figure, Number, figures, middle, ratio, starts
from loadtests.bench.models import DIGITS
from loadtests.bench.plan import PLAIN
from loadtests.bench.records import Records

ONNX, TORCH, TENSORFLOW = DIGITS
REACHED, MISSED, UNKNOWN, UNJUDGED = "reached", "not reached", "not measured", "not judged"
MIB = 2**20


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar: `limit` is the most, or the least where `at_least`; `note` says what is odd."""

    what: str
    limit: float
    unit: str
    value: Number
    at_least: bool = False
    note: str = ""
    judged: bool = True

    @property
    def verdict(self) -> str:
        """One of the four words above."""
        if self.value is None:
            return UNKNOWN
        if not self.judged:
            return UNJUDGED
        good = self.value >= self.limit if self.at_least else self.value <= self.limit
        return REACHED if good else MISSED


def bars(records: Records) -> list[Bar]:
    """All bars with what was measured of them."""
    found = _Found(figures(records.samples))
    best, carrier = found.best_grpc()
    return [
        Bar("REST binary, digits ONNX, concurrency 64: server CPU", 1.5, "x bare uvicorn",
            found.of(ONNX, "rest-binary", 64, _cpu)),
        Bar("gRPC, digits ONNX, concurrency 64, best carrier: server CPU", 0.45, "x bare grpc.aio",
            best, note=carrier),
        Bar("gRPC, digits ONNX, concurrency 64, grpc.aio: server CPU", 1.3, "x bare grpc.aio",
            found.of(ONNX, "grpc", 64, _cpu)),
        *[
            Bar(f"{name}, digits ONNX, concurrency 1: added to the p50 of the bare echo", 0.35,
                "ms", found.of(ONNX, protocol, 1, lambda one: one.added_p50))
            for protocol, name in (("rest-binary", "REST binary"), ("grpc", "gRPC"))
        ],
        Bar("REST binary, 602 KB, concurrency 16: server CPU", 1.4, "x bare uvicorn",
            found.of("image", "rest-binary", 16, _cpu)),
        Bar("gRPC, 602 KB, concurrency 16: server CPU", 1.0, "x bare grpc.aio",
            found.of("image", "grpc", 16, _cpu)),
        _heavy(found),
        Bar("batching on against off, digits ONNX, concurrency 64: rows per worker CPU second", 2.0,
            "x", found.batching(), at_least=True),
        _frontends(records, found),
        _memory(records),
        *[
            _start(records, model, name, limit)
            for model, name, limit in (
                (ONNX, "ONNX", 1.5), (TORCH, "TorchScript", 4.0), (TENSORFLOW, "SavedModel", 7.0)
            )
        ],
    ]  # fmt: skip


def _cpu(one: Figure) -> Number:
    return one.cpu_over_bare


class _Found:
    """Looks up figures; None where they lack."""

    def __init__(self, held: Sequence[Figure]) -> None:
        self._held = held

    def all(self, model: str, variant: str, protocol: str, concurrency: int) -> Figure | None:
        for one in self._held:
            key = one.key
            if (model, variant, protocol, concurrency) == (
                key.model, key.variant, key.protocol, key.concurrency
            ):  # fmt: skip
                return one
        return None

    def of(
        self, model: str, protocol: str, concurrency: int, what: Callable[[Figure], Number]
    ) -> Number:
        one = self.all(model, PLAIN, protocol, concurrency)
        return what(one) if one is not None else None

    def best_grpc(self) -> tuple[Number, str]:
        """The least CPU over the bare echo of all variants, and which variant that is."""
        found = [
            (one.cpu_over_bare, one.key.variant)
            for one in self._held
            if (one.key.group, one.key.model, one.key.protocol, one.key.concurrency)
            == ("small", ONNX, "grpc", 64)
            and one.cpu_over_bare is not None
        ]
        return min(found, default=(None, ""))

    def batching(self) -> Number:
        on, off = (
            self.all(ONNX, variant, "rest-binary", 64)
            for variant in ("batching on", "batching off")
        )
        if on is None or off is None:
            return None
        return ratio(on.rows_per_worker_second, off.rows_per_worker_second)

    def frontends(self) -> Number:
        one, two = (
            self.all("echo", f"{PLAIN}, {text}", "rest-binary", 64)
            for text in ("1 frontend", "2 frontends")
        )
        return ratio(two.throughput, one.throughput) if one and two else None


def _heavy(found: _Found) -> Bar:
    """Throughput with requests enough for full batches."""
    value = found.of("heavy", "rest-binary", 16, lambda one: one.over_in_process)
    row = found.of("heavy", "rest-binary", 16, lambda one: one.in_process_ms)
    note = f"{row:.1f} ms a row in process" if row is not None else ""
    what = "compute-heavy model, REST binary, concurrency 16: throughput"
    return Bar(what, 0.92, "x in process, same batch", value, at_least=True, note=note)


def _frontends(records: Records, found: _Found) -> Bar:
    note = "" if records.apart else "too few CPUs: those of frontends and generator are not idle"
    return Bar(
        "frontends 1 to 2, echo, REST binary, concurrency 64: throughput", 1.7, "x",
        found.frontends(), at_least=True, note=note, judged=records.apart,
    )  # fmt: skip


def _start(records: Records, model: str, name: str, limit: float) -> Bar:
    cpu = middle(one.cpu for one in starts(records, model, PLAIN))
    value = middle(one.seconds for one in starts(records, model, PLAIN))
    note = f"{cpu:.2f} s of CPU" if cpu is not None else ""
    return Bar(f"start to the first good answer, {name}", limit, "s", value, note=note)


def _memory(records: Records) -> Bar:
    held = [
        one.once
        for one in records.memory
        if (one.group, one.model, one.variant) == ("small", ONNX, PLAIN)
    ]
    value = max(held) / MIB if held else None
    return Bar("resident memory after the load, gateway and one ONNX worker", 150, "MiB", value)
