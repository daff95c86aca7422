"""Run one batch through a model so that every request in it gets exactly one ending.

In stages, so that one batch can be made ready while another is computed: `prepare`, `compute`.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from runtimes.batching.assemble import BatchShapeError, Joining, join, joined, split
from runtimes.batching.decide import Limits, Waiting, expired
from runtimes.batching.padding import padded_rows
from runtimes.contract.codes import Code
from runtimes.contract.messages import Failed, Result, Timings
from runtimes.contract.tensor import MAX_RANK, Tensor
from runtimes.runtime import InputError, LoadedModel
from runtimes.sticky import DeviceLost, is_sticky

MAX_REASON = 600
STICKY = "the model's GPU context is broken and its worker is replaced; send the request again"
EXPIRED = "the deadline passed while the request waited in the queue"

ALONE = Limits()

Ending = Result | Failed


@dataclass(frozen=True, slots=True)
class Prepared:
    """A batch as a model takes it: `rows` with those it was filled up with, `padding` of them.

    `parts` are each request's inputs, filled up. Its `entries` were taken from the queue at
    `taken_ns`, and ready at `ready_ns`.
    """

    entries: Sequence[Waiting]
    parts: Sequence[Sequence[Tensor]]
    inputs: tuple[Tensor, ...]
    rows: int
    padding: int
    taken_ns: int
    ready_ns: int


def execute(
    model: LoadedModel, batch: Sequence[Waiting], taken_ns: int, limits: Limits = ALONE
) -> Iterator[Ending]:
    """Compute `batch`; if it fails, compute its members singly, so that only the bad one fails.

    `limits` say how far a batch is filled up.

    Raises DeviceLost, after the endings, where the GPU's context is beyond use: only a new process
    helps then.
    """
    try:
        endings = compute(model, prepare(batch, taken_ns, limits), limits)
    except Exception as error:  # whatever a model raises must not end the worker
        yield from after_failure(model, batch, taken_ns, limits, error)
    else:
        yield from endings


def after_failure(
    model: LoadedModel,
    batch: Sequence[Waiting],
    taken_ns: int,
    limits: Limits,
    error: Exception,
) -> Iterator[Ending]:
    """The endings of a `batch` that failed with `error`, its members computed singly."""
    if is_sticky(error):
        for entry in batch:
            yield Failed(entry.request.id, Code.UNAVAILABLE, STICKY)
        raise DeviceLost(_reason(error)) from error
    if len(batch) == 1:
        blame = Code.INVALID_ARGUMENT if isinstance(error, InputError) else Code.INTERNAL
        yield Failed(batch[0].request.id, blame, _reason(error))
        return
    for single in batch:
        # Each takes as long as the whole did, so those behind it may be late by now.
        if expired(single.request, time.monotonic_ns()):
            yield late(single)
        else:
            yield from execute(model, [single], taken_ns, limits)


def late(entry: Waiting) -> Failed:
    """The ending of a request that nobody waits for any more."""
    return Failed(entry.request.id, Code.DEADLINE_EXCEEDED, EXPIRED)


def bounded(ending: Ending, max_bytes: int) -> Ending:
    """`ending`, or what cannot be sent in its place: TOO_LARGE over `max_bytes`."""
    if isinstance(ending, Failed):
        return ending
    for tensor in ending.outputs:
        if len(tensor.shape) > MAX_RANK:
            text = f"output '{tensor.name}' has rank {len(tensor.shape)}, {MAX_RANK} is the most"
            return Failed(ending.id, Code.INTERNAL, text)
    size = sum(len(tensor.data) for tensor in ending.outputs)
    if size <= max_bytes:
        return ending
    text = (
        f"the model's answer has {size} bytes, more than the {max_bytes} this server takes; ask "
        "for fewer rows or outputs, or raise --max-message-bytes on the server"
    )
    return Failed(ending.id, Code.TOO_LARGE, text)


def prepare(
    batch: Sequence[Waiting], taken_ns: int, limits: Limits, joining: Joining = joined
) -> Prepared:
    """Fill up and join what a batch's requests brought; `joining` provides the memory."""
    parts: Sequence[Sequence[Tensor]] = [entry.request.inputs for entry in batch]
    if limits.stretch is not None:
        parts = limits.stretch.fill(parts)
    rows = sum([entry.rows for entry in batch])
    total = padded_rows(rows, limits.allowed_rows)
    inputs = join(parts, total if limits.allowed_rows else 0, joining)
    return Prepared(batch, parts, inputs, total, total - rows, taken_ns, time.monotonic_ns())


def compute(model: LoadedModel, prepared: Prepared, limits: Limits) -> list[Ending]:
    """Each request's Result. Raises whatever the model does, and BatchShapeError."""
    batch, inputs = prepared.entries, prepared.inputs
    wanted = batch[0].request.outputs or tuple(spec.name for spec in model.signature.outputs)
    started_ns = time.monotonic_ns()
    outputs = model.infer(inputs, wanted)
    computed_ns = time.monotonic_ns()
    shares = _shares(outputs, batch, prepared.padding)
    if limits.stretch is not None:
        shares = [
            limits.stretch.cut(share, entry.request.inputs, part)
            for share, entry, part in zip(shares, batch, prepared.parts, strict=True)
        ]
    split_ns = time.monotonic_ns()
    filled = sum([len(one.data) for one in inputs]) - sum([entry.size for entry in batch])
    # A batch that was ready before the model was has waited on.
    waited_ns = prepared.taken_ns + started_ns - prepared.ready_ns
    return [
        Result(
            entry.request.id,
            share,
            Timings(
                queue_ns=waited_ns - entry.arrived_ns,
                compute_input_ns=prepared.ready_ns - prepared.taken_ns,
                compute_infer_ns=computed_ns - started_ns,
                compute_output_ns=split_ns - computed_ns,
                batch_rows=prepared.rows,
                leads=index == 0,
                padded_rows=prepared.padding,
                padded_bytes=filled,
                arrived_ns=entry.arrived_ns,
            ),
        )
        for index, (entry, share) in enumerate(zip(batch, shares, strict=True))
    ]


def _shares(
    outputs: Sequence[Tensor], batch: Sequence[Waiting], padding: int
) -> list[tuple[Tensor, ...]]:
    if len(batch) == 1 and not padding:
        return [tuple(outputs)]
    return split(outputs, [*(entry.rows for entry in batch), padding])[: len(batch)]


def _reason(error: Exception) -> str:
    if isinstance(error, BatchShapeError):
        return str(error)
    text = str(error).strip() or type(error).__name__
    return text if len(text) <= MAX_REASON else text[:MAX_REASON] + " …"
