"""One load on one subject: drives it, reads what it took, and keeps that."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from loadtests.bench import processes
from loadtests.bench.affinity import Cpus
from loadtests.bench.baselines import Bare, BaselineError, InProcess, bare_request
from loadtests.bench.load import Load, LoadError, drive
from loadtests.bench.plan import Case, Group
from loadtests.bench.records import BARE, IN_PROCESS, Records, Sample
from loadtests.bench.requests import Request
from loadtests.bench.served import Served

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Checked:
    """A case whose answer was found right: its request, and how many bytes the answer has."""

    group: Group
    case: Case
    request: Request
    size: int


class Meter:
    """Adds to `records` and says how far it is; one for the whole run."""

    def __init__(self, records: Records, seconds: int, total: int, say: Say) -> None:
        """`total` loads of `seconds` are to come."""
        self._records = records
        self._seconds = seconds
        self._total = total
        self._say = say
        self._done = 0

    def bare(self, checked: Checked, number: int, bare: Bare, cpus: Cpus) -> None:
        """The load of `checked` on the echo, in round `number`."""
        before = processes.usage(bare.pid)
        request = bare_request(checked.request, checked.size)
        load = self._drive(checked, request, bare.address, cpus)
        if load is not None:
            cpu = processes.usage(bare.pid).all - before.all
            self._keep(_sample(checked, BARE, number, load, cpu, 0.0, 1.0))

    def served(self, checked: Checked, number: int, one: Served, cpus: Cpus) -> float | None:
        """The load on the server; rows per execution, or None where it came to nothing."""
        counted, before = one.counts(), processes.usage(one.pid)
        load = self._drive(checked, checked.request, one.address(checked.case.protocol), cpus)
        after, now = processes.usage(one.pid), one.counts()
        if load is None:
            return None
        if failed := load.failed + now.failed - counted.failed:
            self.problem(f"{_name(checked)}: {failed} of {load.requests} requests failed")
        batch = (now.rows - counted.rows) / max(1, now.executions - counted.executions)
        cpu, of_workers = after.all - before.all, after.workers - before.workers
        model = checked.case.serving.model
        self._keep(_sample(checked, model, number, load, cpu, of_workers, batch))
        return batch

    def computed(self, checked: Checked, number: int, framework: InProcess, batch: float) -> None:
        """Batches of `batch` rows, rounded, in the framework by itself."""
        rows, group = max(1, round(batch)), checked.group
        try:
            done = framework.compute(rows, self._seconds * group.longer * group.in_process)
        except BaselineError as error:
            self.problem(str(error))
            return
        load = Load(done.calls, done.wall, done.p50 * 1000, done.p99 * 1000, 0)
        self._keep(_sample(checked, IN_PROCESS, number, load, done.cpu, done.cpu, rows))

    def problem(self, text: str) -> None:
        """Keep a sentence, once."""
        if text not in self._records.problems:
            self._records.problems.append(text)
            self._say(f"! {text}")

    def _drive(self, checked: Checked, request: Request, address: str, cpus: Cpus) -> Load | None:
        self._done += 1
        seconds = self._seconds * checked.group.longer
        many = checked.case.concurrency
        try:
            load = drive(request, address, many, seconds, checked.size, cpus)
        except LoadError as error:
            self.problem(f"{_name(checked)}: {error}")
            return None
        if not load.requests:
            self.problem(f"{_name(checked)}: no answer in {seconds} s")
            return None
        return load

    def _keep(self, sample: Sample) -> None:
        self._records.samples.append(sample)
        if sample.subject != IN_PROCESS:
            who = f"{sample.subject} ({sample.variant})" if sample.variant else sample.subject
            self._say(
                f"[{self._done}/{self._total}] {who}, {sample.protocol} at {sample.concurrency}: "
                f"{sample.throughput:,.0f}/s, p50 {sample.p50:.2f} ms, {sample.cpu_ms:.3f} ms CPU"
            )


def _name(checked: Checked) -> str:
    case = checked.case
    serving = case.serving
    return f"{serving.model} ({serving.variant}), {case.protocol} at {case.concurrency}"


def _sample(
    checked: Checked, subject: str, number: int, load: Load, cpu: float, of_workers: float,
    batch: float,
) -> Sample:  # fmt: skip
    case = checked.case
    return Sample(
        group=checked.group.name,
        subject=subject,
        model=case.serving.model,
        variant=case.serving.variant if subject != BARE else "",
        protocol=case.protocol,
        concurrency=case.concurrency,
        round=number,
        requests=load.requests,
        rows=round(load.requests * batch) if subject == IN_PROCESS else load.requests,
        seconds=load.seconds,
        cpu=cpu,
        worker_cpu=of_workers,
        p50=load.p50,
        p99=load.p99,
        batch=batch,
        failed=load.failed,
    )
