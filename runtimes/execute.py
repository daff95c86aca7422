"""Run one batch through a model so that every request in it gets exactly one ending."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence

from runtimes.batching.assemble import BatchShapeError, join, split
from runtimes.batching.decide import Limits, Waiting
from runtimes.batching.padding import padded_rows
from runtimes.contract.codes import Code
from runtimes.contract.messages import Failed, Result, Timings
from runtimes.contract.tensor import MAX_RANK, Tensor
from runtimes.runtime import InputError, LoadedModel
from runtimes.sticky import DeviceLost, is_sticky

MAX_REASON = 600
STICKY = "the model's GPU context is broken and its worker is replaced; send the request again"

ALONE = Limits()

Ending = Result | Failed


def execute(
    model: LoadedModel, batch: Sequence[Waiting], taken_ns: int, limits: Limits = ALONE
) -> Iterator[Ending]:
    """Compute `batch`; if it fails, compute its members singly, so that only the bad one fails.

    `limits` say how far a batch is filled up.

    Raises DeviceLost, after the endings, where the GPU's context is beyond use: only a new process
    helps then.
    """
    try:
        yield from _together(model, batch, taken_ns, limits)
    except Exception as error:  # whatever a model raises must not end the worker
        if is_sticky(error):
            for entry in batch:
                yield Failed(entry.request.id, Code.UNAVAILABLE, STICKY)
            raise DeviceLost(_reason(error)) from error
        if len(batch) == 1:
            blame = Code.INVALID_ARGUMENT if isinstance(error, InputError) else Code.INTERNAL
            yield Failed(batch[0].request.id, blame, _reason(error))
            return
        for single in batch:
            yield from execute(model, [single], taken_ns, limits)


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


def _together(
    model: LoadedModel, batch: Sequence[Waiting], taken_ns: int, limits: Limits
) -> list[Ending]:
    parts: Sequence[Sequence[Tensor]] = [entry.request.inputs for entry in batch]
    if limits.stretch is not None:
        parts = limits.stretch.fill(parts)
    rows = sum([entry.rows for entry in batch])
    total = padded_rows(rows, limits.allowed_rows)
    inputs = join(parts, total if limits.allowed_rows else 0)
    wanted = batch[0].request.outputs or tuple(spec.name for spec in model.signature.outputs)
    joined_ns = time.monotonic_ns()
    outputs = model.infer(inputs, wanted)
    computed_ns = time.monotonic_ns()
    shares = _shares(outputs, batch, total - rows)
    if limits.stretch is not None:
        shares = [
            limits.stretch.cut(share, entry.request.inputs, part)
            for share, entry, part in zip(shares, batch, parts, strict=True)
        ]
    split_ns = time.monotonic_ns()
    filled = sum([len(one.data) for one in inputs]) - sum([entry.size for entry in batch])
    return [
        Result(
            entry.request.id,
            share,
            Timings(
                queue_ns=taken_ns - entry.arrived_ns,
                compute_input_ns=joined_ns - taken_ns,
                compute_infer_ns=computed_ns - joined_ns,
                compute_output_ns=split_ns - computed_ns,
                batch_rows=total,
                leads=index == 0,
                padded_rows=total - rows,
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
