"""Everything a comparison found: what result.json holds and every report is made from.

What could not be measured is None, never zero. Times are in milliseconds where a name ends in
`_ms`, else in seconds; memory is in bytes.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from loadtests.compare.parity import OutputParity
from loadtests.compare.spec import SpecError
from loadtests.compare.statistics import Estimate

FORMAT = 1

CLOSED = 0.0
"""The `rate` of measurements in a closed loop: as many as the candidate answers."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One measurement: a candidate at a rate in a round.

    `counted` is how many requests its server says it answered meanwhile, `limits` why the
    generator rather than the server may have been measured.
    """

    candidate: str
    round: int
    rate: float
    seconds: float
    answered: int
    failed: int
    per_second: float
    latency_ms: dict[str, float | None]
    mean_ms: float | None
    stages_ms: dict[str, float]
    counted: int | None
    batches: dict[str, int]
    cpu_seconds: float | None
    memory: int | None
    gpu_use: float | None
    gpu_memory: int | None
    failures: dict[str, int]
    generator_cpu: float
    limits: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Point:
    """A candidate at a rate, all rounds together; `curve_ms` is (percentile, latency)."""

    candidate: str
    rate: float
    rounds: int
    answered: int
    failed: int
    per_second: Estimate | None
    latency_ms: dict[str, Estimate | None]
    mean_ms: float | None
    curve_ms: list[tuple[float, float]]
    stages_ms: dict[str, float]
    mean_batch: float | None
    cpu_seconds_per_1000: Estimate | None
    limited: int
    gpu_seconds_per_1000: Estimate | None = None


@dataclass(frozen=True, slots=True)
class Swap:
    """What publishing the same version again cost under load.

    `dots` are (seconds since the begin, latency in ms), `published`, `ready` and `ended` moments
    on the same axis: the publishing began, the new version answered, the old one was gone.
    """

    candidate: str
    rate: float
    published: float
    ready: float
    ended: float
    requests: int
    failed: int
    before_p99_ms: float | None
    during_slowest_ms: float | None
    dots: list[tuple[float, float]]


@dataclass(frozen=True, slots=True)
class Requests:
    """How many requests were answered in each part, and how many the server counted in all."""

    golden: int = 0
    first: int = 0
    warm_up: int = 0
    measured: int = 0
    counted: int | None = None

    @property
    def sent(self) -> int:
        """All of them."""
        return self.golden + self.first + self.warm_up + self.measured


@dataclass(frozen=True, slots=True)
class CandidateResult:
    """What is known of a candidate besides its measurements.

    `load_s` is from the start of the load until it was ready, `first_ms` the first request of all,
    `usual_ms` the median of those that followed one by one. `ranked` is False where it failed
    parity; `right` the share of labelled questions that it answered right.
    """

    name: str
    model: str
    where: str
    runtime: str
    framework: str
    terms: dict[str, str]
    settings: str
    ranked: bool
    why_not: str
    parity: list[OutputParity]
    right: float | None
    load_s: float | None
    warm_up_s: float | None
    first_ms: float | None
    usual_ms: float | None
    capacity: float
    artifact_bytes: int | None
    memory: int | None
    memory_is_shared: bool
    gpu_memory: int | None
    requests: Requests
    command: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """One goal: who is best, in plain words, and everybody's figure."""

    goal: str
    best: str
    text: str
    is_clear: bool
    figures: dict[str, str]


@dataclass(frozen=True, slots=True)
class Change:
    """A figure of this comparison beside that of an older one."""

    candidate: str
    what: str
    old: float
    new: float
    is_clear: bool


@dataclass(frozen=True, slots=True)
class Result:
    """The whole comparison."""

    title: str
    when: str
    spec: str
    command: str
    machine: dict[str, str]
    versions: dict[str, str]
    target_p99_ms: float
    rounds: int
    seconds: float
    rates: list[float]
    seed: int
    reference: str
    candidates: list[CandidateResult]
    differences: dict[str, dict[str, list[str]]]
    explanations: list[str]
    cells: list[Cell]
    points: list[Point]
    swaps: list[Swap]
    verdicts: list[Verdict] = field(default_factory=list)
    changes: list[Change] = field(default_factory=list)
    against: str = ""
    notes: list[str] = field(default_factory=list)
    interrupted: bool = False
    format: int = FORMAT

    def point(self, candidate: str, rate: float) -> Point | None:
        """What was measured of a candidate at a rate."""
        for point in self.points:
            if point.candidate == candidate and point.rate == rate:
                return point
        return None

    def cells_of(self, candidate: str, rate: float) -> dict[int, Cell]:
        """Its measurements at a rate, by round."""
        return {
            cell.round: cell
            for cell in self.cells
            if cell.candidate == candidate and cell.rate == rate
        }

    @property
    def ranked(self) -> list[CandidateResult]:
        """Those that may win."""
        return [candidate for candidate in self.candidates if candidate.ranked]


def to_json(result: Result) -> bytes:
    """As the content of result.json."""
    return msgspec.json.format(msgspec.json.encode(result), indent=1)


def read_result(path: Path) -> Result:
    """An older result. Raises SpecError."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Result)
    except OSError as error:
        raise SpecError(f"{path}: can't be read ({error.strerror})") from None
    except msgspec.DecodeError as error:
        raise SpecError(f"{path}: no result.json of a comparison ({error})") from None
