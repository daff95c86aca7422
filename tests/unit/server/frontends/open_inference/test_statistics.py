"""Running totals in the words of the statistics extension."""

from __future__ import annotations

from server.frontends.open_inference.statistics import model_statistics
from server.statistics import BatchStatistics, Duration, ModelStatistics


def test_all_fields_are_told_and_batches_come_by_size():
    totals = ModelStatistics("m", 2, 1234, 7, 3)
    totals.success, totals.fail, totals.queue = Duration(7, 700), Duration(1, 5), Duration(7, 70)
    totals.batches[4] = BatchStatistics(compute_infer=Duration(1, 40))
    totals.batches[1] = BatchStatistics(compute_infer=Duration(2, 20))
    none = {"count": 0, "ns": 0}

    def batch(size: int, count: int, ns: int) -> dict:
        infer = {"count": count, "ns": ns}
        return {
            "batch_size": size,
            "compute_input": none,
            "compute_infer": infer,
            "compute_output": none,
        }

    assert model_statistics([totals]) == {
        "model_stats": [
            {
                "name": "m",
                "version": "2",
                "last_inference": 1234,
                "inference_count": 7,
                "execution_count": 3,
                "inference_stats": {
                    "success": {"count": 7, "ns": 700},
                    "fail": {"count": 1, "ns": 5},
                    "queue": {"count": 7, "ns": 70},
                    "compute_input": none,
                    "compute_infer": none,
                    "compute_output": none,
                    "cache_hit": none,
                    "cache_miss": none,
                },
                "response_stats": {},
                "batch_stats": [batch(1, 2, 20), batch(4, 1, 40)],
                "memory_usage": [],
            }
        ]
    }


def test_no_models_are_an_empty_list():
    assert model_statistics([]) == {"model_stats": []}
