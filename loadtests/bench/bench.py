"""The measurement: servers and baselines side by side, loaded in turn."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from loadtests.bench import baselines, processes
from loadtests.bench.affinity import Cpus, divided
from loadtests.bench.baselines import Bare, BaselineError, InProcess
from loadtests.bench.load import Load, LoadError, drive, missing
from loadtests.bench.models import DIGITS, MODELS, artifact, build_demo, repository
from loadtests.bench.plan import Case, Group, Options, Serving, loads, plan
from loadtests.bench.records import BARE, IN_PROCESS, Held, Records, Sample, Start
from loadtests.bench.requests import Request
from loadtests.bench.served import Expected, Served, WrongAnswerError, served

Say = Callable[[str], None]


class Bench:
    """One run; `records` has what was measured so far, whatever ends it."""

    def __init__(self, options: Options, demo: Path, work: Path, say: Say) -> None:
        self.records = Records()
        self._options = options
        self._demo = demo
        self._work = work
        self._say = say
        self._done = 0
        self._all = 0
        self._expected: dict[str, Expected] = {}
        self._bare: dict[str, Bare] = {}

    def run(self) -> None:
        """Measure everything; Ctrl-C ends it with what there is."""
        groups = plan(self._options)
        self._all = loads(groups, self._options.rounds)
        try:
            if any(one.model in DIGITS for group in groups for one in group.servings):
                self._say("building the demo models where they lack")
                build_demo(self._demo)
            with ExitStack() as stack:
                for kind in {case.protocol == "grpc" for group in groups for case in group.cases}:
                    protocol = "grpc" if kind else "rest"
                    self._bare[protocol] = stack.enter_context(baselines.bare(protocol))
                for group in groups:
                    self._group(group)
        except KeyboardInterrupt:
            self.records.interrupted = True

    def _group(self, group: Group) -> None:
        servers, generator = divided(sorted(os.sched_getaffinity(0))) if group.apart else ((), ())
        self.records.apart |= bool(generator)
        with ExitStack() as stack:
            computing = self._frameworks(group, stack)
            running: dict[Serving, Served] = {}
            for serving in group.servings:
                if (one := self._start(group, serving, stack, servers)) is not None:
                    running[serving] = one
            for point in group.points:
                cases = [one for one in group.cases if one.point == point]
                self._point(group, [c for c in cases if c.serving in running], running, computing,
                            generator)  # fmt: skip
            for serving, one in running.items():
                if any(case.serving == serving for case in group.cases):
                    memory = processes.memory(one.pid)
                    self.records.memory.append(
                        Held(group.name, serving.model, serving.variant, memory.once, memory.summed)
                    )

    def _frameworks(self, group: Group, stack: ExitStack) -> dict[str, InProcess]:
        """The framework of every model by itself; they also say which answers are right."""
        found: dict[str, InProcess] = {}
        for name in dict.fromkeys(serving.model for serving in group.servings):
            model = MODELS[name]
            if model.runtime == "echo":
                self._expected[name] = model.question().reshape(-1)
            elif group.cases and group.in_process:
                folder = artifact(model, self._demo, self._work)
                found[name] = stack.enter_context(baselines.in_process(model, folder))
                self._expect(name, found[name])
            elif name not in self._expected:
                # The digits are one model in three formats; the lightest says what is right.
                of = DIGITS[0] if name in DIGITS else name
                folder = artifact(MODELS[of], self._demo, self._work)
                with baselines.in_process(MODELS[of], folder) as once:
                    self._expect(name, once)
        return found

    def _expect(self, name: str, framework: InProcess) -> None:
        try:
            self._expected[name] = framework.answer()
        except BaselineError as error:
            self._problem(f"{name}: {error}; is its framework installed?")

    def _start(self, group: Group, serving: Serving, stack: ExitStack, cpus: Cpus) -> Served | None:
        model = MODELS[serving.model]
        if serving.model not in self._expected:
            return None
        name = f"{group.name}-{serving.model}-{serving.variant}".replace(" ", "-")
        folder = repository(
            model, self._work / "models" / name, self._demo, self._work, batching=serving.batching
        )
        expected = self._expected[serving.model]
        try:
            one = stack.enter_context(served(serving, model, folder, expected, cpus))
        except WrongAnswerError as error:
            self._problem(f"{serving.model} ({serving.variant}): {error}")
            return None
        self.records.starts.append(
            Start(serving.model, model.runtime, serving.variant, one.started_s)
        )
        self._say(f"{serving.model} ({serving.variant}): good answer {one.started_s:.2f} s after "
                  "the start")  # fmt: skip
        return one

    def _point(
        self,
        group: Group,
        cases: list[Case],
        running: dict[Serving, Served],
        computing: dict[str, InProcess],
        generator: Cpus,
    ) -> None:
        checked = [(case, found) for case in cases if (found := self._check(case, running))]
        for number in range(self._options.rounds):
            if group.bare and checked:
                case, (request, size) = checked[0]
                self._load_bare(group, case, number, request, size, generator)
            for case, (request, size) in checked:
                one = running[case.serving]
                sample = self._load(group, case, number, one, request, size, generator)
                if sample is not None and case.serving.model in computing:
                    self._compute(group, case, number, computing[case.serving.model], sample.batch)

    def _check(self, case: Case, running: dict[Serving, Served]) -> tuple[Request, int] | None:
        if lack := missing(case.protocol):
            self._problem(lack)
            return None
        one = running[case.serving]
        try:
            return one.check(case.protocol, self._expected[case.serving.model])
        except WrongAnswerError as error:
            self._problem(f"{case.serving.model} ({case.serving.variant}) over {case.protocol}: "
                          f"{error}")  # fmt: skip
            return None

    def _load_bare(
        self, group: Group, case: Case, number: int, request: Request, size: int, cpus: Cpus
    ) -> None:
        bare = self._bare["grpc" if case.protocol == "grpc" else "rest"]
        before = processes.usage(bare.pid)
        sent = baselines.bare_request(request, size)
        load = self._drive(sent, bare.address, case, size, cpus)
        if load is not None:
            cpu = processes.usage(bare.pid).all - before.all
            self._keep(_sample(group, BARE, case, number, load, cpu, 0.0, 1.0))

    def _load(
        self, group: Group, case: Case, number: int, one: Served, request: Request, size: int,
        cpus: Cpus,
    ) -> Sample | None:  # fmt: skip
        counted, before = one.counts(), processes.usage(one.pid)
        load = self._drive(request, one.address(case.protocol), case, size, cpus)
        after, now = processes.usage(one.pid), one.counts()
        if load is None:
            return None
        if failed := load.failed + now.failed - counted.failed:
            self._problem(f"{case.serving.model} ({case.serving.variant}), {case.protocol} at "
                          f"{case.concurrency}: {failed} of {load.requests} requests failed")  # fmt: skip
        executions = max(1, now.executions - counted.executions)
        sample = _sample(
            group, case.serving.model, case, number, load, after.all - before.all,
            after.workers - before.workers, (now.rows - counted.rows) / executions,
        )  # fmt: skip
        self._keep(sample)
        return sample

    def _drive(
        self, request: Request, address: str, case: Case, size: int, cpus: Cpus
    ) -> Load | None:
        self._done += 1
        seconds = self._options.seconds
        try:
            load = drive(request, address, case.concurrency, seconds, size, cpus)
        except LoadError as error:
            self._problem(str(error))
            return None
        if not load.requests:
            self._problem(f"{case.serving.model}, {case.protocol} at {case.concurrency}: no answer "
                          f"in {seconds} s")  # fmt: skip
            return None
        return load

    def _compute(
        self, group: Group, case: Case, number: int, framework: InProcess, batch: float
    ) -> None:
        rows = max(1, round(batch))
        seconds = self._options.seconds * group.in_process
        try:
            done = framework.compute(rows, seconds)
        except BaselineError as error:
            self._problem(str(error))
            return
        load = Load(done.calls, done.wall, done.p50 * 1000, done.p99 * 1000, 0)
        self._keep(_sample(group, IN_PROCESS, case, number, load, done.cpu, done.cpu, rows))

    def _keep(self, sample: Sample) -> None:
        self.records.samples.append(sample)
        if sample.subject != IN_PROCESS:
            self._say(
                f"[{self._done}/{self._all}] {sample.subject} ({sample.variant}) "
                f"{sample.protocol} at {sample.concurrency}: {sample.throughput:,.0f}/s, p50 "
                f"{sample.p50:.2f} ms, {sample.cpu_ms:.3f} ms CPU"
            )

    def _problem(self, text: str) -> None:
        if text not in self.records.problems:
            self.records.problems.append(text)
            self._say(f"! {text}")


def _sample(
    group: Group, subject: str, case: Case, number: int, load: Load, cpu: float,
    worker_cpu: float, batch: float,
) -> Sample:  # fmt: skip
    each = batch if subject == IN_PROCESS else 1
    return Sample(
        group=group.name,
        subject=subject,
        model=case.serving.model,
        variant=case.serving.variant if subject != BARE else "",
        protocol=case.protocol,
        concurrency=case.concurrency,
        round=number,
        requests=load.requests,
        rows=round(load.requests * each),
        seconds=load.seconds,
        cpu=cpu,
        worker_cpu=worker_cpu,
        p50=load.p50,
        p99=load.p99,
        batch=batch,
        failed=load.failed,
    )
