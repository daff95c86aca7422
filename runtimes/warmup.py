"""Runs a model before its worker is ready, so that no client waits for what happens only once.

What frameworks put off until the first requests of a batch size (compiling, choosing kernels,
growing arenas) is done here, as part of loading; the time that may take is the load's.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path

from runtimes.batching.assemble import BatchShapeError, join, split
from runtimes.batching.padding import Stretch
from runtimes.contract.messages import Batching, ModelSpec
from runtimes.contract.tensor import Tensor
from runtimes.probe import conclusive
from runtimes.reasons import clean_reason
from runtimes.runtime import LoadedModel, LoadError, ModelError, RecordedRequest
from runtimes.samples import check_count, check_fits, read_sample
from runtimes.synthesise import declared, synthesised

MAX_BATCH_BYTES = 2**30
"""No batch above this is made of smaller ones; a worker has better use for its memory."""

Request = tuple[Tensor, ...]


class _Refused(LoadError):
    """The model raised an error: proof of a fault only where its inputs are known to be right."""


def warm_up(
    model: LoadedModel,
    spec: ModelSpec,
    passes: int,
    stretch: Stretch | None = None,
    recorded: Sequence[RecordedRequest] = (),
) -> str:
    """Run `model` at every batch size, `passes` times each; says in a few words what was run.

    What is made up is also run in every size that `stretch` brings open dimensions to.

    With samples, from files, declared or `recorded`, each runs as it is, and the first of each
    shape also repeated or cut to every batch size; any failure is a LoadError. Without samples the
    inputs are made up, and a failure is proof only where no size had to be guessed. With 0 passes
    nothing is made up.
    """
    sizes = batch_sizes(model.max_batch_size, spec.batching)
    if spec.warmup or spec.warmup_files or recorded:
        return _with_samples(model, spec, sizes, max(1, passes), recorded)
    if passes == 0:
        return "not needed"
    return _with_made_up_inputs(model, spec, sizes, passes, stretch)


def batch_sizes(max_batch_size: int, batching: Batching | None) -> tuple[int, ...]:
    """The rows to warm up with, ascending; none for a model without a batch dimension.

    Where requests are joined: the sizes batches are filled up to, if there are any. Else powers of
    two, and the largest batch. What lies between is as good
    as warm, because frameworks prepare for classes of sizes or for any size. Otherwise a request
    runs with the rows it comes with, usually one, and samples tell of others.
    """
    if max_batch_size == 0:
        return ()
    if batching is None:
        return (1,)
    if batching.allowed_sizes:
        return batching.allowed_sizes
    powers = (1 << power for power in range(max_batch_size.bit_length()))
    return tuple(sorted({*powers, max_batch_size}))


def _with_samples(
    model: LoadedModel,
    spec: ModelSpec,
    sizes: Sequence[int],
    passes: int,
    recorded: Sequence[RecordedRequest],
) -> str:
    shapes, ran, count = set(), set[int](), 0
    for name, request, times in _samples(model, spec, passes, recorded):
        count += 1
        what = f"warm-up '{name}'"
        if model.max_batch_size and request[0].shape[0] > model.max_batch_size:
            request = _resized(request, model.max_batch_size)
        _run(model, spec, what, request, times)
        shape = frozenset((tensor.name, tensor.shape[1:]) for tensor in request)
        if shape in shapes:
            continue
        shapes.add(shape)
        for rows in _affordable(sizes, request):
            _run(model, spec, what, _resized(request, rows), passes)
            ran.add(rows)
    return f"{count} sample{'s' if count > 1 else ''}{_listed(ran)}"


def _with_made_up_inputs(
    model: LoadedModel,
    spec: ModelSpec,
    sizes: Sequence[int],
    passes: int,
    stretch: Stretch | None,
) -> str:
    row = synthesised(model.signature)
    if row is None:
        return "skipped: the inputs are very large"
    if not row:
        return "skipped: there are no inputs"
    affordable: list[int] = []
    try:
        for one in _in_buckets(row, stretch):
            affordable = _affordable(sizes, one)
            batches = (_resized(one, rows) for rows in affordable) if sizes else [one]
            for batch in batches:
                _run(model, spec, "warm-up on made-up inputs", batch, passes)
    except _Refused as error:
        if conclusive(model.signature):
            raise
        print(f"inconclusive, as sizes had to be guessed: {error}", flush=True)
        return f"inconclusive: {error}"
    return f"made-up inputs{_listed(affordable)}"


def _in_buckets(row: Request, stretch: Stretch | None) -> Iterator[Request]:
    """`row`, which has 1 for every open dimension, in each size these are brought to."""
    if stretch is None or not stretch.padding.buckets:
        yield row
        return
    for bucket in stretch.padding.buckets:
        padding = replace(stretch.padding, buckets=(bucket,))
        yield tuple(replace(stretch, padding=padding).fill([row])[0])


def _samples(
    model: LoadedModel, spec: ModelSpec, passes: int, recorded: Sequence[RecordedRequest]
) -> Iterator[tuple[str, Request, int]]:
    """Name, tensors and number of runs of each sample; read one at a time, as they may be large."""
    check_count("warm-up", spec.warmup_files)
    for path in map(Path, spec.warmup_files):
        try:
            request = read_sample(path, model)
        except LoadError as error:
            raise LoadError(f"warm-up '{path.name}': {error}") from None
        yield path.name, request, passes
    made = ((sample.name, declared(sample), sample.count) for sample in spec.warmup)
    for name, request, count in chain(made, ((one.name, one.inputs, 1) for one in recorded)):
        try:
            check_fits(request, model)
        except LoadError as error:
            raise LoadError(f"warm-up '{name}': {error}") from None
        yield name, request, count


def _run(model: LoadedModel, spec: ModelSpec, what: str, request: Request, times: int) -> None:
    rows = request[0].shape[0] if model.max_batch_size else 0
    where = f"{what} failed"
    if rows:
        where += f" with {rows} row{'s' if rows > 1 else ''}"
    outputs = [output.name for output in model.signature.outputs]
    try:
        for _ in range(times):
            answer = model.infer(request, outputs)
    except ModelError as error:
        raise _Refused(f"{where}: {error}") from error
    except Exception as error:  # a runtime's own mistake; its text may hold anything
        raise _Refused(f"{where}: {clean_reason(error, spec)}") from error
    if rows > 1 and spec.batching is not None:
        try:
            split(answer, [rows])
        except BatchShapeError as error:
            raise LoadError(f"{where}: {error}") from None


def _affordable(sizes: Sequence[int], request: Request) -> list[int]:
    """Those of `sizes` at which `request` stays below MAX_BATCH_BYTES."""
    size = sum(len(tensor.data) for tensor in request)
    return [rows for rows in sizes if rows * size <= MAX_BATCH_BYTES * request[0].shape[0]]


def _resized(request: Request, rows: int) -> Request:
    """`request` with `rows` rows: its own, over and over."""
    own = request[0].shape[0]
    whole, rest = divmod(rows, own)
    parts = [request] * whole
    if rest:
        parts.append(split(request, [rest, own - rest])[0])
    return join(parts)


def _listed(sizes: Sequence[int] | set[int]) -> str:
    return f", batch sizes {', '.join(map(str, sorted(sizes)))}" if sizes else ""
