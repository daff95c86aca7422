"""The comparison from beginning to end: servers, parity, warm-up, rounds, swaps, verdicts."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from loadtests.compare import facts, machine
from loadtests.compare.ask import ask, samples_for, signature_at
from loadtests.compare.found import Found
from loadtests.compare.measure import Meter
from loadtests.compare.numerics import explanations
from loadtests.compare.parity import parity
from loadtests.compare.places import Place, places, settings_of
from loadtests.compare.points import points_of
from loadtests.compare.refused import RefusedError
from loadtests.compare.result import CLOSED, Result
from loadtests.compare.rounds import Step, rates_for, steps
from loadtests.compare.spec import Spec, SpecError
from loadtests.compare.swaps import CALM, swap_under_load
from loadtests.compare.terms import UNKNOWN, TermValues, differences, refusal, terms_of
from loadtests.compare.underway import ServerError
from loadtests.compare.verdict import verdicts
from loadtests.generator.process import GeneratorError
from loadtests.samples.sample import Answers, Sample

Say = Callable[[str, int, int], None]
"""Told what is being done, which step that is, and of how many."""

PARTS = ("servers", "parity", "warm-up")


def conduct(spec: Spec, text: str, base: Path, work: Path, command: str, say: Say) -> Result:
    """Measure everything in `spec`; Ctrl-C keeps what is measured once a round has begun.

    Raises SpecError where the terms differ, ServerError where a candidate can't be measured.
    """
    when, load = datetime.now(UTC).isoformat(timespec="seconds"), os.getloadavg()[0]
    described = machine.machine()
    found = Found()
    if warning := machine.busy(load, len(os.sched_getaffinity(0))):
        found.notes.append(warning)
    _refuse_other_terms(
        spec, {one.name: terms_of(spec, one, settings_of(spec, one, base)) for one in
               spec.candidates if not one.url}
    )  # fmt: skip
    say("starting the servers and loading the models", 0, len(PARTS))
    with places(spec, base, work) as all_places:
        terms = {place.name: facts.terms(spec, place) for place in all_places}
        _refuse_other_terms(spec, terms)
        found.notes += _unknown(terms)
        samples = _check_parity(spec, all_places, found, say)
        meter = Meter(spec, samples, work)
        with _kept_when_interrupted(found):
            _warm_up(spec, meter, all_places, found, say)
            _measure(spec, meter, all_places, found, say)
        counted = {place.name: facts.counted(place) for place in all_places}
        memories = {place.name: facts.memory_of(place) for place in all_places}
        with _kept_when_interrupted(found):
            _swap(spec, meter, all_places, found, work, say)
        candidates = [
            facts.candidate(place, terms[place.name], found, samples, counted[place.name],
                            memories[place.name])
            for place in all_places
        ]  # fmt: skip
    result = Result(
        title=spec.title, when=when, spec=text, command=command, machine=described,
        versions=machine.versions(), target_p99_ms=spec.target_p99_ms, rounds=spec.rounds,
        seconds=spec.seconds, rates=found.rates, seed=spec.seed, reference=spec.reference.name,
        candidates=candidates, differences=differences(terms),
        explanations=explanations({one.name: one.runtime for one in candidates}, terms),
        cells=found.cells, points=points_of(found.cells, found.latencies), swaps=found.swaps,
        notes=found.notes, interrupted=found.interrupted,
    )  # fmt: skip
    result.verdicts.extend(verdicts(result))
    return result


def _refuse_other_terms(spec: Spec, terms: dict[str, TermValues]) -> None:
    """Once before anything is started, once when it is known what devices they are on."""
    if reason := refusal(spec, terms):
        raise SpecError(reason)


def _check_parity(spec: Spec, all_places: Sequence[Place], found: Found, say: Say) -> list[Sample]:
    """Ask everybody the golden set; the samples, which the load consists of, too."""
    say("asking the golden set", 1, len(PARTS))
    reference = next(place for place in all_places if place.name == spec.reference.name)
    signature = signature_at(reference)
    samples = samples_for(signature, spec.rows)
    answers: dict[str, list[Answers]] = {}
    for place in all_places:
        try:
            answers[place.name], found.asked[place.name] = ask(place, samples, signature)
        except ServerError as error:
            if place is reference or isinstance(error, RefusedError):
                raise
            found.problems[place.name] = str(error)
            continue
        found.notes += facts.notes_on_statistics(place)
    wanted = answers[reference.name]
    for name, own in answers.items():
        found.parity[name] = parity(own, wanted, spec.parity)
        checked = [not sample.check(answer) for sample, answer in zip(samples, own, strict=True)]
        found.right[name] = float(np.mean(checked)) if facts.has_labels(signature) else None
    return samples


def _warm_up(spec: Spec, meter: Meter, all_places: Sequence[Place], found: Found, say: Say) -> None:
    """Let every candidate answer as fast as it can; this also says which rates make sense."""
    say("warming up", 2, len(PARTS))
    for place in _asked(all_places, found):
        try:
            cell, _ = meter.measure(place, CLOSED, spec.warm_up_seconds, 0)
        except GeneratorError as error:
            found.problems[place.name] = str(error)
            continue
        if not cell.answered:
            found.problems[place.name] = next(iter(cell.failures), "it answered nothing")
            continue
        found.capacities[place.name] = cell.per_second
        found.warmed[place.name] = cell.answered
    if not found.capacities:
        raise ServerError("no candidate answered: " + "; ".join(found.problems.values()))


def _measure(spec: Spec, meter: Meter, all_places: Sequence[Place], found: Found, say: Say) -> None:
    found.rates = rates_for(spec.rates, found.capacities)
    plan = steps(spec.rounds, found.rates, found.capacities, spec.saturation)
    by_name = {place.name: place for place in all_places}
    for number, step in enumerate(plan):
        say(_told(step, spec.rounds), number, len(plan))
        try:
            cell, latencies = meter.measure(
                by_name[step.candidate], step.rate, spec.seconds, step.round
            )
        except GeneratorError as error:
            found.notes.append(f"{_told(step, spec.rounds)}: {error}")
            continue
        found.latencies[step.candidate, step.rate, step.round] = latencies
        found.cells.append(cell)
    say("measured", len(plan), len(plan))


def _swap(
    spec: Spec, meter: Meter, all_places: Sequence[Place], found: Found, work: Path, say: Say
) -> None:
    """One swap per candidate at the lowest rate; not after the measuring was broken off."""
    if not spec.swap or found.interrupted or not found.rates:
        return
    own = [place for place in _asked(all_places, found) if place.server is not None]
    for number, place in enumerate(own):
        say(f"{place.name}: a swap under load", number, len(own))
        try:
            swap = swap_under_load(
                meter, place, found.rates[0], min(CALM, spec.seconds), work / f"swap{number}"
            )
        except (ServerError, GeneratorError, OSError) as error:
            found.notes.append(f"{place.name}: the swap was not measured: {error}")
            continue
        if swap is not None:
            found.swaps.append(swap)
    say("swapped", len(own), len(own))


def _asked(all_places: Sequence[Place], found: Found) -> list[Place]:
    return [place for place in all_places if place.name not in found.problems]


@contextlib.contextmanager
def _kept_when_interrupted(found: Found) -> Iterator[None]:
    try:
        yield
    except KeyboardInterrupt:
        found.interrupted = True
        time.sleep(0)  # the servers are stopped by who started them
    if not found.capacities:
        raise KeyboardInterrupt


def _told(step: Step, rounds: int) -> str:
    rate = "as fast as it answers" if step.rate == CLOSED else f"{step.rate:g} requests/s"
    return f"round {step.round} of {rounds}: {step.candidate}, {rate}"


def _unknown(terms: dict[str, TermValues]) -> list[str]:
    found = []
    for name, own in terms.items():
        missing = [term for term, value in own.items() if value == UNKNOWN]
        if missing:
            found.append(
                f"{name} is another server: its {', '.join(missing)} are not stated, so that "
                "nobody knows whether it is on the same terms."
            )
    return found
