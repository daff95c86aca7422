"""What is known of a candidate besides its measurements: how it loaded, what it takes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import yaml

from loadtests.compare.counters import ask_for_counters, read_counters
from loadtests.compare.found import Found
from loadtests.compare.places import Place
from loadtests.compare.processes import memory, tree
from loadtests.compare.refused import RefusedError
from loadtests.compare.result import CandidateResult, Requests
from loadtests.compare.spec import Spec
from loadtests.compare.terms import TermValues, terms_of
from loadtests.samples.labels import known
from loadtests.samples.sample import Sample
from runtimes.contract.tensor import Signature


def terms(spec: Spec, place: Place) -> TermValues:
    """The terms it is served on; the device is where the server says that it runs."""
    device = ""
    if place.server is not None:
        device = str(place.server.facts(place.model).get("device", ""))
    return terms_of(spec, place.candidate, place.settings, device)


def counted(place: Place) -> int | None:
    """How many requests its server says it answered in all."""
    counters = read_counters(place)
    return counters.answered if counters is not None else None


def notes_on_statistics(place: Place) -> list[str]:
    """What has to be said where its server refuses them, which ends no comparison."""
    try:
        ask_for_counters(place)
    except RefusedError as error:
        return [f"The statistics are not there: {error}"]
    return []


def memory_of(place: Place) -> int | None:
    """Of its server's processes; see `processes.memory`."""
    return memory(tree(place.pid))


def has_labels(signature: Signature) -> bool:
    """Whether right answers are known for a model with this signature."""
    return bool(known(signature, 1))


def candidate(
    place: Place,
    own_terms: TermValues,
    found: Found,
    samples: Sequence[Sample],
    count: int | None,
    memory_now: int | None,
) -> CandidateResult:
    """Put together what was found of one candidate."""
    name = place.name
    told = place.server.facts(place.model) if place.server is not None else {}
    asked = found.asked.get(name, [])
    checks = found.parity.get(name, [])
    why_not = found.problems.get(name, "") or "; ".join(
        f"parity: {one.output} {one.problem or 'differs'}" for one in checks if not one.passed
    )
    load, warm_up = _load_times(place)
    gpu = [cell.gpu_memory for cell in found.cells if cell.candidate == name]
    return CandidateResult(
        name=name, model=place.candidate.model, where=place.candidate.url or "Underway",
        runtime=str(told.get("runtime", "")), framework=str(told.get("framework", "")),
        terms=own_terms, settings=yaml.safe_dump(place.settings) if place.settings else "",
        ranked=not why_not, why_not=why_not, parity=checks, right=found.right.get(name),
        load_s=load, warm_up_s=warm_up,
        first_ms=asked[0] * 1000 if asked else None,
        usual_ms=float(np.median(asked[1:])) * 1000 if len(asked) > 1 else None,
        capacity=found.capacities.get(name, 0.0),
        artifact_bytes=place.artifact_bytes, memory=memory_now, memory_is_shared=place.shared,
        gpu_memory=max((value for value in gpu if value is not None), default=None),
        requests=_requests(name, found, len(asked), count),
        command=place.server.command if place.server is not None else "",
    )  # fmt: skip


def _requests(name: str, found: Found, asked: int, count: int | None) -> Requests:
    measured = sum(cell.answered for cell in found.cells if cell.candidate == name)
    first = min(1, asked)
    return Requests(asked - first, first, found.warmed.get(name, 0), measured, count)


def _load_times(place: Place) -> tuple[float | None, float | None]:
    """Seconds that the first load and its warm-up took, by the server's history."""
    if place.server is None:
        return None, None
    spent = {
        entry["source"]: float(entry["seconds"])
        for entry in reversed(place.server.history(place.model))
        if entry["version"] == 1
    }
    return spent.get("LOADING"), spent.get("WARMING")
