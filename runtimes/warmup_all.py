"""Warms up every signature of a model, so that no client waits for the first call of any."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from runtimes.batch_size import fitting
from runtimes.contract.messages import ModelSpec, WarmupSample
from runtimes.functions import Function, by_request
from runtimes.runtime import LoadError, RecordedRequest
from runtimes.samples import check_count, sample_signature, unknown_signature
from runtimes.warmup import warm_up


def warm_up_all(
    functions: Sequence[Function],
    spec: ModelSpec,
    passes: int,
    recorded: Iterable[RecordedRequest] = (),
) -> str:
    """Run every one of `functions`, the default first; says in a few words what was run.

    Each runs its samples in `spec` and what was `recorded` of it. What has neither runs made-up
    inputs, unless it must not be run for practice. Raises LoadError.
    """
    by_signature: dict[str, list[RecordedRequest]] = {one.name: [] for one in functions}
    for request in recorded:
        by_signature[request.signature].append(_by_aliases(request, spec.aliases))
    own = _samples_by_signature(functions, spec)
    said = []
    for at, one in enumerate(functions):
        mine, samples = by_signature[one.name], own[one.name]
        if one.not_to_try and not (mine or samples.warmup or samples.warmup_files):
            done = f"not run, {one.not_to_try}"
        else:
            done = warm_up(one.filled, samples, passes, one.limits.stretch, mine)
        said.append(f"{one.name}: {done}" if at else done)
    return "; ".join(said)


def _samples_by_signature(functions: Sequence[Function], spec: ModelSpec) -> dict[str, ModelSpec]:
    """`spec` for each function, by its name: its own samples alone, and batching as it fits."""
    check_count("warm-up", spec.warmup_files)
    asked = by_request(functions)
    files: dict[str, list[str]] = {one.name: [] for one in functions}
    described: dict[str, list[WarmupSample]] = {one.name: [] for one in functions}

    def owner(sample: str, signature: str) -> str:
        if signature not in asked:
            raise LoadError(f"warm-up '{sample}': {unknown_signature(signature, asked)}")
        return asked[signature].name

    for file in spec.warmup_files:
        name = Path(file).name
        try:
            signature = sample_signature(Path(file))
        except LoadError as error:
            raise LoadError(f"warm-up '{name}': {error}") from None
        files[owner(name, signature)].append(file)
    for sample in spec.warmup:
        described[owner(sample.name, sample.signature)].append(sample)
    return {
        one.name: replace(
            spec,
            warmup=tuple(described[one.name]),
            warmup_files=tuple(files[one.name]),
            batching=fitting(spec.batching, one.model.max_batch_size, one.model.signature),
        )
        for one in functions
    }


def _by_aliases(request: RecordedRequest, aliases: Mapping[str, str]) -> RecordedRequest:
    inputs = (replace(one, name=aliases.get(one.name, one.name)) for one in request.inputs)
    return replace(request, inputs=tuple(inputs))
