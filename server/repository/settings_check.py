"""What must hold between a model's settings, whichever file they came from; pure."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from runtimes.contract.messages import Batching
from runtimes.contract.tensor import DYNAMIC, MAX_ELEMENTS, MAX_RANK, TensorSpec
from server.repository.settings import ModelSettings

MAX_TENSORS = 1024
MAX_OPTIONS = 64
MAX_WARMUPS = 64
MAX_SPECIFIC = 1000
MAX_LABELS = 32
MAX_WORKERS = 64
MAX_BATCH_SIZE = 1 << 20
MAX_QUEUE_DELAY_US = 60_000_000
MAX_QUEUE_ROWS = 1 << 24
MAX_QUEUE_BYTES = 1 << 40
MAX_BUCKET = 1 << 20
MAX_BUCKETS = 64
MAX_WARMUP_COUNT = 1000
MAX_FOOTPRINT_BYTES = 1 << 48
MAX_WARMUP_ELEMENTS = 1 << 28
"""A sample larger than this is a mistake that would only fill the worker's memory."""


def problems(settings: ModelSettings) -> list[str]:
    """Each contradiction as one short sentence; empty where all is well."""
    if too_many := list(_counts(settings)):
        return too_many
    found = [
        *_tensors("input", settings.inputs, settings.max_batch_size),
        *_tensors("output", settings.outputs, settings.max_batch_size),
        *_warmup(settings),
    ]
    if settings.max_batch_size is not None and not 0 <= settings.max_batch_size <= MAX_BATCH_SIZE:
        found.append(f"max_batch_size is {settings.max_batch_size}, expected 0 to {MAX_BATCH_SIZE}")
    if settings.batching is not None:
        found += _batching(settings.batching, settings.max_batch_size)
    if settings.workers > MAX_WORKERS:
        found.append(f"{settings.workers} workers, expected at most {MAX_WORKERS}")
    if settings.workers < len(settings.devices):
        found.append(
            f"{settings.workers} worker(s) on {len(settings.devices)} devices, "
            "expected at least one worker per device"
        )
    return found


def _batching(batching: Batching, max_batch_size: int | None) -> Iterator[str]:
    if max_batch_size == 0:
        yield "batching needs max_batch_size above 0"
    delay, sizes = batching.max_queue_delay_us, batching.allowed_sizes
    if delay > MAX_QUEUE_DELAY_US:
        yield f"queue delay is {delay} us, expected at most {MAX_QUEUE_DELAY_US}"
    if sizes and max_batch_size is None:
        yield "batching.allowed_batch_sizes needs max_batch_size"
    elif sizes and sizes[-1] != max_batch_size:
        yield (
            f"batching.allowed_batch_sizes ends with {sizes[-1]}, expected max_batch_size, "
            f"which is {max_batch_size}"
        )
    buckets = batching.pad.buckets if batching.pad is not None else ()
    for name, numbers in (("allowed_batch_sizes", sizes), ("pad.buckets", buckets)):
        if list(numbers) != sorted(set(numbers)):
            yield f"batching.{name}: expected each number once, in ascending order"


def _counts(settings: ModelSettings) -> Iterator[str]:
    for what, count, most in (
        ("inputs", len(settings.inputs), MAX_TENSORS),
        ("outputs", len(settings.outputs), MAX_TENSORS),
        ("options", len(settings.options), MAX_OPTIONS),
        ("warm-ups", len(settings.warmup), MAX_WARMUPS),
        ("labels", len(settings.labels), MAX_LABELS),
        ("specific versions", len(settings.version_policy.specific), MAX_SPECIFIC),
    ):
        if count > most:
            yield f"{count} {what}, expected at most {most}"


def _tensors(kind: str, specs: Sequence[TensorSpec], max_batch_size: int | None) -> Iterator[str]:
    names = [spec.name for spec in specs]
    for name in sorted({name for name in names if names.count(name) > 1}):
        yield f"{kind} '{name}' is given more than once"
    for spec in specs:
        shape = list(spec.shape)
        if len(shape) > MAX_RANK:
            yield f"{kind} '{spec.name}' has rank {len(shape)}, expected at most {MAX_RANK}"
        elif any(not DYNAMIC <= dim <= MAX_ELEMENTS for dim in shape):
            yield (
                f"{kind} '{spec.name}' has shape {shape}, "
                f"expected dimensions of -1 (any) or 0 to {MAX_ELEMENTS}"
            )
        elif max_batch_size and shape[:1] != [DYNAMIC]:
            yield (
                f"{kind} '{spec.name}' has shape {shape}, expected -1 as its first dimension "
                "because max_batch_size is above 0"
            )


def _warmup(settings: ModelSettings) -> Iterator[str]:
    for sample in settings.warmup:
        if not 1 <= sample.count <= MAX_WARMUP_COUNT:
            yield (
                f"warm-up '{sample.name}' has count {sample.count}, "
                f"expected 1 to {MAX_WARMUP_COUNT}"
            )
        names = [spec.name for spec in sample.inputs]
        if not names or len(set(names)) != len(names):
            yield f"warm-up '{sample.name}' needs each input once, and at least one"
        for spec in sample.inputs:
            yield from _warmup_input(sample.name, spec, settings)


def _warmup_input(sample: str, spec: TensorSpec, settings: ModelSettings) -> Iterator[str]:
    where, shape = f"warm-up '{sample}': input '{spec.name}'", list(spec.shape)
    if any(dim < 0 for dim in shape):
        yield f"{where} has shape {shape}, expected sizes of 0 or more"
    elif len(shape) > MAX_RANK or math.prod(shape) > MAX_WARMUP_ELEMENTS:
        yield f"{where} is too large, expected at most {MAX_WARMUP_ELEMENTS} elements"
    elif settings.max_batch_size and shape and shape[0] > settings.max_batch_size:
        yield f"{where} has {shape[0]} rows, expected at most {settings.max_batch_size}"
    declared = {known.name: known for known in settings.inputs}
    if declared and spec.name not in declared:
        yield f"{where} is not an input of the model; its inputs are {sorted(declared)}"
    elif declared and declared[spec.name].datatype is not spec.datatype:
        yield f"{where} is {spec.datatype}, expected {declared[spec.name].datatype}"
