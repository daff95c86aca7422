"""What the server shows of itself: its metrics as pages, and the overview of all models.

The event loop only takes down what is there; reading of processes and writing of pages, which take
milliseconds, are done in a thread.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from importlib.metadata import version

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from server.admission import AdmissionBounds
from server.lifecycle.load_metrics import LoadMetrics
from server.lifecycle.memory_metrics import MemoryMetrics
from server.lifecycle.model import Model
from server.lifecycle.overview import Overview, Sketch
from server.lifecycle.version import ModelVersion
from server.telemetry.certificate import CertificateMetrics
from server.telemetry.compat import MetricsCompat
from server.telemetry.exposition import Exposition
from server.telemetry.gpus import GpuMetrics
from server.telemetry.host import HostReader
from server.telemetry.lifecycle import LifecycleMeter
from server.telemetry.recorder import Recorders
from server.telemetry.repositories import RepositoryMeter
from server.telemetry.tf_serving_names import TfServingNames
from server.telemetry.triton_names import TritonNames


class Observation:
    """Everything that is counted and measured, in one place."""

    def __init__(
        self,
        bounds: AdmissionBounds,
        max_in_flight: int,
        compat: Sequence[MetricsCompat] = (),
    ) -> None:
        self.registry = CollectorRegistry()
        self.recorders = Recorders(self.registry)
        self.meter = LifecycleMeter(self.registry)
        self.repositories = RepositoryMeter(self.registry)
        self._loads = LoadMetrics(self.registry, self.recorders, bounds, max_in_flight)
        self._gpus = GpuMetrics(self.registry)
        MemoryMetrics(self.registry)
        ProcessCollector(registry=self.registry)
        self.registry.register(_Build())
        self._compat = frozenset(compat)
        self._exposition = Exposition(self.registry, {kind: self._named(kind) for kind in compat})

    def watch_certificate(self, expires_at: Callable[[], float]) -> None:
        """Tell of the server's certificate, too; see CertificateMetrics."""
        self.registry.register(CertificateMetrics(expires_at))

    def offers(self, kind: MetricsCompat) -> bool:
        """True where there are metrics under `kind`'s names."""
        return kind in self._compat

    async def page(self, versions: Iterable[ModelVersion], accept: str) -> tuple[bytes, str]:
        """All metrics in the form that `accept` asks for, and its content type."""
        self._loads.note(versions)
        return await asyncio.to_thread(self._exposition.page, accept)

    async def page_of(
        self, kind: MetricsCompat, versions: Iterable[ModelVersion]
    ) -> tuple[bytes, str]:
        """Only what is under `kind`'s names, which must be on, and its content type."""
        self._loads.note(versions)
        return await asyncio.to_thread(self._exposition.of, kind)

    async def overview(self, models: Mapping[str, Model]) -> Overview:
        """All models, as they are now."""
        self._loads.note(load for model in models.values() for load in model.loads.values())
        sketch = Sketch(
            (models[name] for name in sorted(models)), self.recorders.snapshot(), self._loads.loads
        )
        return await asyncio.to_thread(self._finish, sketch)

    def _finish(self, sketch: Sketch) -> Overview:
        return sketch.finished(self._loads.memory(sketch.loads), self._gpus.read())

    def _named(self, kind: MetricsCompat) -> Collector:
        if kind is MetricsCompat.TF_SERVING:
            return TfServingNames(self.recorders.snapshot)
        return TritonNames(
            self.recorders.snapshot, self._loading, lambda: self._gpus.read(), HostReader()
        )

    def _loading(self) -> Mapping[tuple[str, int], float]:
        return {(one.model, one.version): one.load_s for one in self._loads.loads}


class _Build(Collector):
    """Which release this is."""

    def collect(self) -> Iterator[Metric]:
        """One sample, always 1."""
        family = GaugeMetricFamily(
            "underway_build_info", "Always 1; the release is in the label.", labels=("release",)
        )
        family.add_metric((version("underway"),), 1)
        yield family
