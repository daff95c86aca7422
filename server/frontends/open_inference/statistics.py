"""A model's running totals in the words of the statistics extension.

Field names are those of the protocol's `ModelStatisticsResponse` message, so REST sends the dict
as it is and gRPC may parse its message out of it.
"""

from __future__ import annotations

from collections.abc import Sequence

from server.statistics import BatchStatistics, Duration, ModelStatistics

_NONE = Duration()


def model_statistics(statistics: Sequence[ModelStatistics]) -> dict[str, object]:
    """`{"model_stats": [...]}` with one entry per model version."""
    return {"model_stats": [_model(one) for one in statistics]}


def _model(one: ModelStatistics) -> dict[str, object]:
    return {
        "name": one.name,
        "version": str(one.version),
        "last_inference": one.last_inference_ms,
        "inference_count": one.inference_count,
        "execution_count": one.execution_count,
        "inference_stats": {
            "success": _duration(one.success),
            "fail": _duration(one.fail),
            "queue": _duration(one.queue),
            "compute_input": _duration(one.compute_input),
            "compute_infer": _duration(one.compute_infer),
            "compute_output": _duration(one.compute_output),
            # There is no response cache, and clients that add these up expect the fields.
            "cache_hit": _duration(_NONE),
            "cache_miss": _duration(_NONE),
        },
        "response_stats": {},
        "batch_stats": [_batch(size, one.batches[size]) for size in sorted(one.batches)],
        "memory_usage": [],
    }


def _batch(size: int, batch: BatchStatistics) -> dict[str, object]:
    return {
        "batch_size": size,
        "compute_input": _duration(batch.compute_input),
        "compute_infer": _duration(batch.compute_infer),
        "compute_output": _duration(batch.compute_output),
    }


def _duration(duration: Duration) -> dict[str, int]:
    return {"count": duration.count, "ns": duration.ns}
