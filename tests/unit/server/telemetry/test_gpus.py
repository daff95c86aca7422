"""GPUs as metrics, with the driver's library replaced: no GPU is needed to try it."""

from __future__ import annotations

from types import SimpleNamespace

import pynvml
import pytest
from prometheus_client import CollectorRegistry

from server.telemetry.gpus import Gpu, GpuMetrics, read_gpus


@pytest.fixture
def driver(monkeypatch):
    """One GPU, which does not tell of its power."""

    def refuse(device):
        raise pynvml.NVMLError(pynvml.NVML_ERROR_NOT_SUPPORTED)

    answers = {
        "nvmlInit": lambda: None,
        "nvmlShutdown": lambda: None,
        "nvmlDeviceGetCount": lambda: 1,
        "nvmlDeviceGetHandleByIndex": lambda index: index,
        "nvmlDeviceGetUUID": lambda device: b"GPU-1",
        "nvmlDeviceGetUtilizationRates": lambda device: SimpleNamespace(gpu=75),
        "nvmlDeviceGetMemoryInfo": lambda device: SimpleNamespace(total=800, used=300),
        "nvmlDeviceGetPowerUsage": refuse,
        "nvmlDeviceGetEnforcedPowerLimit": lambda device: 250_000,
        "nvmlDeviceGetTotalEnergyConsumption": lambda device: 12_500,
    }
    for name, answer in answers.items():
        monkeypatch.setattr(pynvml, name, answer)


def test_a_gpu_is_told_in_base_units_without_what_it_does_not_tell(driver):
    assert read_gpus() == [Gpu(0, "GPU-1", 0.75, 800, 300, None, 250.0, 12.5)]

    registry = CollectorRegistry()
    GpuMetrics(registry)
    labels = {"gpu": "0", "uuid": "GPU-1"}
    assert registry.get_sample_value("underway_gpu_utilization_ratio", labels) == 0.75
    assert registry.get_sample_value("underway_gpu_energy_joules_total", labels) == 12.5
    assert registry.get_sample_value("underway_gpu_power_watts", labels) is None


def test_a_machine_without_a_driver_has_no_gpus(monkeypatch):
    def absent():
        raise pynvml.NVMLError(pynvml.NVML_ERROR_LIBRARY_NOT_FOUND)

    monkeypatch.setattr(pynvml, "nvmlInit", absent)

    assert read_gpus() == []
