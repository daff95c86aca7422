"""Warms up every signature of a model, so that no client waits for the first call of any."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from runtimes.contract.messages import ModelSpec
from runtimes.functions import Function
from runtimes.runtime import RecordedRequest
from runtimes.warmup import warm_up


def warm_up_all(
    functions: Sequence[Function],
    spec: ModelSpec,
    passes: int,
    recorded: Iterable[RecordedRequest] = (),
) -> str:
    """Run every one of `functions`, the default first; says in a few words what was run.

    Each runs what was `recorded` of it; the samples of `spec` are the default's. What has neither
    runs made-up inputs, unless it must not be run for practice. Raises LoadError.
    """
    by_signature: dict[str, list[RecordedRequest]] = {one.name: [] for one in functions}
    for request in recorded:
        by_signature[request.signature].append(_by_aliases(request, spec.aliases))
    without = replace(spec, warmup=(), warmup_files=())
    said = []
    for at, one in enumerate(functions):
        mine = by_signature[one.name]
        if one.not_to_try and not mine:
            done = f"not run, {one.not_to_try}"
        else:
            samples = without if at else spec
            done = warm_up(one.filled, samples, passes, one.limits.stretch, mine)
        said.append(f"{one.name}: {done}" if at else done)
    return "; ".join(said)


def _by_aliases(request: RecordedRequest, aliases: Mapping[str, str]) -> RecordedRequest:
    inputs = (replace(one, name=aliases.get(one.name, one.name)) for one in request.inputs)
    return replace(request, inputs=tuple(inputs))
