"""Reads TensorFlow Serving's batching parameters; names what in them has no effect here."""

from __future__ import annotations

from collections.abc import Iterator

from protos import tfs_config_pb2 as pb
from runtimes.contract.messages import Batching, Padding
from server.repository.batching_defaults import BatchingDefaults
from server.repository.settings_check import (
    MAX_BATCH_SIZE,
    MAX_BUCKETS,
    MAX_QUEUE_DELAY_US,
    MAX_QUEUE_ROWS,
)
from server.repository.text_proto import parse_text, refusal

USUAL_ROWS = 64
"""The bound of a batch where the file gives none, as for a model without settings."""

_NO_EFFECT = {
    "num_batch_threads": "a worker runs one batch at a time; for more at once give a model more "
    "`workers` in its model.yaml",
    "thread_pool_name": "no threads are shared between models",
}


def parse_batching(text: str, file: str) -> tuple[BatchingDefaults, tuple[str, ...]]:
    """The defaults that `text`, BatchingParameters in protobuf's text form, asks for, and what in
    it has no effect, each as one sentence. Raises RepositoryError beginning with `file`.
    """
    given = pb.BatchingParameters()
    parse_text(text, given, file)
    if wrong := list(_problems(given)):
        raise refusal(file, wrong)
    rows = given.max_batch_size.value if given.HasField("max_batch_size") else USUAL_ROWS
    batching = Batching(
        max_queue_delay_us=given.batch_timeout_micros.value,
        allowed_sizes=tuple(given.allowed_batch_sizes),
        pad=Padding() if given.pad_variable_length_inputs else None,
        usual_rows=rows,
    )
    queued = min(given.max_enqueued_batches.value * rows, MAX_QUEUE_ROWS)
    notes = [f"{name}: {why}" for name, why in _NO_EFFECT.items() if given.HasField(name)]
    return BatchingDefaults(batching, queued), tuple(notes)


def without_parameters() -> BatchingDefaults:
    """Batching that is enabled and not described any further."""
    return BatchingDefaults(Batching(usual_rows=USUAL_ROWS))


def _problems(given: pb.BatchingParameters) -> Iterator[str]:
    for name, least, most in (
        ("max_batch_size", 1, MAX_BATCH_SIZE),
        ("batch_timeout_micros", 0, MAX_QUEUE_DELAY_US),
        ("max_enqueued_batches", 1, MAX_QUEUE_ROWS),
        ("num_batch_threads", 1, 1 << 20),
    ):
        value = getattr(given, name).value
        if given.HasField(name) and not least <= value <= most:
            yield f"{name} is {value}, expected {least} to {most}"
    sizes = list(given.allowed_batch_sizes)
    if sizes and not given.HasField("max_batch_size"):
        yield "allowed_batch_sizes needs max_batch_size"
    elif sizes and (sizes != sorted({*sizes}) or sizes[0] < 1 or len(sizes) > MAX_BUCKETS):
        yield f"allowed_batch_sizes: expected at most {MAX_BUCKETS} numbers above 0, ascending"
    elif sizes and sizes[-1] != given.max_batch_size.value:
        yield f"allowed_batch_sizes ends with {sizes[-1]}, expected max_batch_size"
    if given.enable_large_batch_splitting.value:
        yield (
            "enable_large_batch_splitting is not supported: a request is run whole; remove it, and "
            "set max_batch_size to the rows of the largest request"
        )
    elif given.HasField("max_execution_batch_size"):
        yield "max_execution_batch_size is not supported: it only bounds what splitting makes"
