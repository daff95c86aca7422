"""How much memory there is for all of the server together, as metrics."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from server.lifecycle.footprint import free_memory, memory_limit


class MemoryMetrics(Collector):
    """Reads when it is collected; what is not told is without a sample. Bytes."""

    def __init__(
        self,
        registry: CollectorRegistry,
        limit: Callable[[], int | None] = memory_limit,
        free: Callable[[], int | None] = free_memory,
    ) -> None:
        self._limit = limit
        self._free = free
        registry.register(self)

    def collect(self) -> Iterator[Metric]:
        """Both families; the second over the first tells how near the end is."""
        yield _told(
            "underway_memory_limit_bytes",
            "Memory of the machine, or what the container may have of it.",
            self._limit(),
        )
        yield _told(
            "underway_memory_available_bytes",
            "What the machine and the container can still give of it.",
            self._free(),
        )


def _told(name: str, text: str, value: int | None) -> Metric:
    family = GaugeMetricFamily(name, text)
    if value is not None:
        family.add_metric((), value)
    return family
