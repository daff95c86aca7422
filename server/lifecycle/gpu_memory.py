"""Memory of GPUs as the driver tells it (NVML): what is free, and what one process holds."""

from __future__ import annotations

from collections.abc import Callable

import pynvml


def free_gpu_memory(device: str) -> int | None:
    """Bytes free on `device` (`cuda:N`), None where there is no such GPU or it does not tell."""
    return _ask(lambda: int(pynvml.nvmlDeviceGetMemoryInfo(_handle(device)).free))


def gpu_memory_of(pid: int, device: str) -> int | None:
    """Bytes that process `pid` holds on `device`, None where the driver does not tell.

    In a container without the host's process ids it does not.
    """

    def held() -> int | None:
        for process in pynvml.nvmlDeviceGetComputeRunningProcesses(_handle(device)):
            if process.pid == pid and process.usedGpuMemory is not None:
                return int(process.usedGpuMemory)
        return None

    return _ask(held)


def _ask(question: Callable[[], int | None]) -> int | None:
    """What NVML answers, None where it is not there or refuses."""
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return None
    try:
        return question()
    except pynvml.NVMLError:
        return None
    finally:
        pynvml.nvmlShutdown()


def _handle(device: str) -> object:
    return pynvml.nvmlDeviceGetHandleByIndex(int(device.partition(":")[2] or 0))
