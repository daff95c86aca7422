"""What was seen, as it is kept and written."""

from __future__ import annotations

from dataclasses import dataclass, field

BARE = "bare"
IN_PROCESS = "in process"


@dataclass(frozen=True, slots=True)
class Sample:
    """One load on one subject: a model, BARE, or IN_PROCESS.

    Latencies are ms, times are seconds; `cpu` is that of the server's whole process tree, or of
    the process that computes. A load in process has `model` as its model and a batch as its one
    request. `batch` is rows per execution, `worker_cpu` the workers' part of `cpu`.
    """

    group: str
    subject: str
    model: str
    variant: str
    protocol: str
    concurrency: int
    round: int
    requests: int
    rows: int
    seconds: float
    cpu: float
    worker_cpu: float
    p50: float
    p99: float
    batch: float
    failed: int = 0

    @property
    def cpu_ms(self) -> float:
        """CPU milliseconds per request, which is CPU seconds per 1,000 requests."""
        return 1000 * self.cpu / self.requests

    @property
    def throughput(self) -> float:
        """Rows per second; every request of the loads has one row."""
        return self.rows / self.seconds


@dataclass(frozen=True, slots=True)
class Start:
    """Seconds from the server's start to the first good answer of its only model.

    `cpu` is what its processes took of it, the robust figure where others are at work.
    """

    model: str
    runtime: str
    variant: str
    seconds: float
    cpu: float


@dataclass(frozen=True, slots=True)
class Held:
    """Bytes resident after the load: every page once, and summed over the processes."""

    group: str
    model: str
    variant: str
    once: int
    summed: int


@dataclass(slots=True)
class Records:
    """All that was measured; `problems` are sentences."""

    samples: list[Sample] = field(default_factory=list)
    starts: list[Start] = field(default_factory=list)
    memory: list[Held] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    interrupted: bool = False
    apart: bool = False
