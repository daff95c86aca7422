"""The measurement: servers and baselines side by side, loaded in turn."""

from __future__ import annotations

import os
from contextlib import ExitStack
from pathlib import Path

from loadtests.bench import baselines
from loadtests.bench.affinity import Cpus, divided
from loadtests.bench.baselines import Bare, BaselineError, InProcess
from loadtests.bench.load import missing
from loadtests.bench.meter import Checked, Meter, Say
from loadtests.bench.models import (
    DIGITS,
    MODELS,
    artifact,
    compile_server,
    repository,
)
from loadtests.bench.plan import Case, Group, Options, Serving, loads, plan
from loadtests.bench.processes import memory
from loadtests.bench.records import Held, Records, Start
from loadtests.bench.served import Expected, Served, WrongAnswerError, served
from loadtests.demo import build_demo


class Bench:
    """One run; `records` has what was measured so far, whatever ends it."""

    def __init__(self, options: Options, demo: Path, work: Path, say: Say) -> None:
        self.records = Records()
        self._options = options
        self._demo = demo
        self._work = work
        self._say = say
        self._groups = plan(options)
        total = loads(self._groups, options.rounds)
        self._meter = Meter(self.records, options.seconds, total, say)
        self._expected: dict[str, Expected] = {}
        self._bare: dict[str, Bare] = {}

    def run(self) -> None:
        """Measure everything; Ctrl-C ends it with what there is."""
        try:
            compile_server()
            if any(one.model in DIGITS for group in self._groups for one in group.servings):
                self._say("building the demo models where they lack")
                build_demo(self._demo)
            with ExitStack() as stack:
                for kind in ("rest", "grpc"):
                    self._bare[kind] = stack.enter_context(baselines.bare(kind))
                for group in self._groups:
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
                found = [self._check(group, case, running) for case in cases]
                checked = [one for one in found if one is not None]
                for number in range(self._options.rounds):
                    self._round(number, checked, running, computing, generator)
            if group.cases:
                self._memory(group, running)

    def _round(
        self,
        number: int,
        cases: list[Checked],
        running: dict[Serving, Served],
        computing: dict[str, InProcess],
        cpus: Cpus,
    ) -> None:
        """Each of `cases` once, the bare echo before them, each framework after its server."""
        if cases and cases[0].group.bare:
            kind = "grpc" if cases[0].case.protocol == "grpc" else "rest"
            self._meter.bare(cases[0], number, self._bare[kind], cpus)
        for one in cases:
            serving = one.case.serving
            batch = self._meter.served(one, number, running[serving], cpus)
            if batch is not None and serving.model in computing:
                self._meter.computed(one, number, computing[serving.model], batch)

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
                light = MODELS[DIGITS[0]] if name in DIGITS else model
                folder = artifact(light, self._demo, self._work)
                with baselines.in_process(light, folder) as once:
                    self._expect(name, once)
        return found

    def _expect(self, name: str, framework: InProcess) -> None:
        try:
            self._expected[name] = framework.answer()
        except BaselineError as error:
            self._meter.problem(f"{name}: {error}; is its framework installed?")

    def _start(self, group: Group, serving: Serving, stack: ExitStack, cpus: Cpus) -> Served | None:
        expected = self._expected.get(serving.model)
        if expected is None:
            return None
        model = MODELS[serving.model]
        name = f"{group.name}-{serving.model}-{serving.variant}"
        folder = self._work / "models" / name
        repository(model, folder, self._demo, self._work, batching=serving.batching)
        try:
            one = stack.enter_context(served(serving, model, folder, expected, cpus))
        except WrongAnswerError as error:
            self._meter.problem(f"{serving.model} ({serving.variant}): {error}")
            return None
        self.records.starts.append(
            Start(serving.model, model.runtime, serving.variant, one.started_s, one.started_cpu)
        )
        self._say(f"{serving.model} ({serving.variant}) gave a good answer {one.started_s:.2f} s "
                  "after the start")  # fmt: skip
        return one

    def _check(self, group: Group, case: Case, running: dict[Serving, Served]) -> Checked | None:
        """`case` with its request, once the server's answer is right and the generator there."""
        serving = case.serving
        if serving not in running:
            return None
        if lack := missing(case.protocol):
            self._meter.problem(lack)
            return None
        try:
            request, size = running[serving].check(case.protocol, self._expected[serving.model])
        except WrongAnswerError as error:
            self._meter.problem(
                f"{serving.model} ({serving.variant}) over {case.protocol}: {error}"
            )
            return None
        return Checked(group, case, request, size)

    def _memory(self, group: Group, running: dict[Serving, Served]) -> None:
        for serving, one in running.items():
            held = memory(one.pid)
            self.records.memory.append(
                Held(group.name, serving.model, serving.variant, held.once, held.summed)
            )
