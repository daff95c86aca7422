"""Samples for tests: a load of which only what a test speaks of is told."""

from __future__ import annotations

from dataclasses import replace

from loadtests.bench.records import Sample

SAMPLE = Sample(
    group="small", subject="digits-onnx", model="digits-onnx", variant="python",
    protocol="rest-binary", concurrency=64, round=0, requests=1000, rows=1000, seconds=2.0,
    cpu=0.15, worker_cpu=0.05, p50=1.0, p99=2.0, batch=8.0,
)  # fmt: skip


def sample(**told) -> Sample:
    """SAMPLE, but for `told`; without a model of its own where that is the subject."""
    return replace(SAMPLE, **told)
