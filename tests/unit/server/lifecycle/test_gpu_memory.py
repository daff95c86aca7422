"""GPU memory through NVML, with the driver's library replaced: no GPU is needed to try it."""

from types import SimpleNamespace

import pynvml
import pytest

from server.lifecycle.gpu_memory import free_gpu_memory, gpu_memory_of


@pytest.fixture
def driver(monkeypatch):
    """Two GPUs; process 7 holds 500 bytes on the second."""
    balance = []
    monkeypatch.setattr(pynvml, "nvmlInit", lambda: balance.append(1))
    monkeypatch.setattr(pynvml, "nvmlShutdown", lambda: balance.append(-1))

    def handle(index):
        if index > 1:
            raise pynvml.NVMLError(pynvml.NVML_ERROR_INVALID_ARGUMENT)
        return index

    monkeypatch.setattr(pynvml, "nvmlDeviceGetHandleByIndex", handle)
    monkeypatch.setattr(
        pynvml, "nvmlDeviceGetMemoryInfo", lambda index: SimpleNamespace(free=1000 + index)
    )
    holders = {0: [], 1: [SimpleNamespace(pid=7, usedGpuMemory=500)]}
    monkeypatch.setattr(
        pynvml, "nvmlDeviceGetComputeRunningProcesses", lambda index: holders[index]
    )
    yield
    assert sum(balance) == 0


def test_free_memory_is_told_for_each_gpu(driver):
    assert free_gpu_memory("cuda:0") == 1000
    assert free_gpu_memory("cuda:1") == 1001


def test_a_gpu_that_is_not_there_has_no_figure(driver):
    assert free_gpu_memory("cuda:9") is None


def test_a_process_is_found_on_the_gpu_it_uses(driver):
    assert gpu_memory_of(7, "cuda:1") == 500
    assert gpu_memory_of(7, "cuda:0") is None
    assert gpu_memory_of(8, "cuda:1") is None


def test_a_machine_without_a_driver_has_no_figures(monkeypatch):
    def absent():
        raise pynvml.NVMLError(pynvml.NVML_ERROR_LIBRARY_NOT_FOUND)

    monkeypatch.setattr(pynvml, "nvmlInit", absent)

    assert free_gpu_memory("cuda:0") is None
    assert gpu_memory_of(1, "cuda:0") is None
