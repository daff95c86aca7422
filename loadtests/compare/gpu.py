"""GPU use and memory while something is measured, where the NVIDIA driver tells."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType, TracebackType
from typing import Self

INTERVAL = 0.2
"""Seconds between two looks; the driver's own figure is of about as long a time."""


@dataclass(frozen=True, slots=True)
class GpuUse:
    """`use` is the mean share of time with work on the busiest GPU, `memory` the most bytes taken
    on all together, by whomever. None where there is no GPU.
    """

    use: float | None = None
    memory: int | None = None


def nvml() -> ModuleType | None:
    """The driver's library, where there is a driver."""
    try:
        import pynvml

        pynvml.nvmlInit()
    except Exception:
        return None
    module: ModuleType = pynvml
    return module


def look(library: ModuleType) -> list[tuple[float, int]]:
    """(share of use, bytes in use) of every GPU, now."""
    found = []
    for index in range(library.nvmlDeviceGetCount()):
        handle = library.nvmlDeviceGetHandleByIndex(index)
        rates = library.nvmlDeviceGetUtilizationRates(handle)
        found.append((rates.gpu / 100, int(library.nvmlDeviceGetMemoryInfo(handle).used)))
    return found


class GpuWatch:
    """Looks again and again between `with` and its end; `result` is what it saw."""

    def __init__(self, look_now: Callable[[], list[tuple[float, int]]] | None) -> None:
        self._look = look_now
        self._looks: list[list[tuple[float, int]]] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Self:
        if self._look is not None:
            self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop.set()
        if self._look is not None:
            self._thread.join()

    @property
    def result(self) -> GpuUse:
        """After the end."""
        looks = [look for look in self._looks if look]
        if not looks:
            return GpuUse()
        means = [sum(each[gpu][0] for each in looks) / len(looks) for gpu in range(len(looks[0]))]
        return GpuUse(max(means), max(sum(memory for _, memory in each) for each in looks))

    def _watch(self) -> None:
        assert self._look is not None  # noqa: S101
        while True:
            self._looks.append(self._look())
            if self._stop.wait(INTERVAL):
                return
