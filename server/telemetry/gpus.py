"""The machine's GPUs as metrics, as their driver tells of them (NVML); none where there is none."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import pynvml
from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

LABELS = ("gpu", "uuid")


@dataclass(frozen=True, slots=True)
class Gpu:
    """One device; None for what it does not tell. Memory is bytes, utilization 0 to 1."""

    index: int
    uuid: str
    utilization: float | None
    memory_total: int | None
    memory_used: int | None
    power_watts: float | None
    power_limit_watts: float | None
    energy_joules: float | None


def read_gpus() -> list[Gpu]:
    """All devices; blocks for milliseconds where there are any."""
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return []
    try:
        return [_gpu(index) for index in range(pynvml.nvmlDeviceGetCount())]
    except pynvml.NVMLError:
        return []
    finally:
        pynvml.nvmlShutdown()


def _gpu(index: int) -> Gpu:
    device = pynvml.nvmlDeviceGetHandleByIndex(index)
    uuid = pynvml.nvmlDeviceGetUUID(device)
    busy = _told(lambda: pynvml.nvmlDeviceGetUtilizationRates(device).gpu / 100)
    total = _told(lambda: pynvml.nvmlDeviceGetMemoryInfo(device).total)
    used = _told(lambda: pynvml.nvmlDeviceGetMemoryInfo(device).used)
    return Gpu(
        index,
        uuid if isinstance(uuid, str) else uuid.decode(),
        busy,
        None if total is None else int(total),
        None if used is None else int(used),
        _told(lambda: pynvml.nvmlDeviceGetPowerUsage(device) / 1000),
        _told(lambda: pynvml.nvmlDeviceGetEnforcedPowerLimit(device) / 1000),
        _told(lambda: pynvml.nvmlDeviceGetTotalEnergyConsumption(device) / 1000),
    )


def _told(question: Callable[[], float]) -> float | None:
    try:
        return float(question())
    except pynvml.NVMLError:
        return None


class GpuMetrics(Collector):
    """Reads when it is collected."""

    def __init__(
        self, registry: CollectorRegistry, read: Callable[[], Sequence[Gpu]] = read_gpus
    ) -> None:
        self.read = read
        registry.register(self)

    def collect(self) -> Iterator[Metric]:
        """The families as they stand; without a sample where there is no GPU."""
        gpus = self.read()
        for name, text, value in _GAUGES:
            yield _filled(GaugeMetricFamily(name, text, labels=LABELS), gpus, value)
        energy = CounterMetricFamily(
            "underway_gpu_energy_joules", "Energy used since the driver was loaded.", labels=LABELS
        )
        yield _filled(energy, gpus, lambda gpu: gpu.energy_joules)


_GAUGES: tuple[tuple[str, str, Callable[[Gpu], float | None]], ...] = (
    ("underway_gpu_utilization_ratio", "Share of time in which the GPU was busy, 0 to 1.",
     lambda gpu: gpu.utilization),
    ("underway_gpu_memory_total_bytes", "Memory the GPU has.", lambda gpu: gpu.memory_total),
    ("underway_gpu_memory_used_bytes", "Memory in use on the GPU, by whoever it is.",
     lambda gpu: gpu.memory_used),
    ("underway_gpu_power_watts", "Power the GPU draws.", lambda gpu: gpu.power_watts),
    ("underway_gpu_power_limit_watts", "Power the GPU may draw.",
     lambda gpu: gpu.power_limit_watts),
)  # fmt: skip


def _filled(
    family: GaugeMetricFamily | CounterMetricFamily,
    gpus: Sequence[Gpu],
    value: Callable[[Gpu], float | None],
) -> Metric:
    for gpu in gpus:
        if (found := value(gpu)) is not None:
            family.add_metric((str(gpu.index), gpu.uuid), found)
    return family
