"""PyTorch's profiler, whose trace is JSON that Perfetto and TensorBoard open."""

from __future__ import annotations

import json

import torch
from torch.profiler import ProfilerActivity, profile

from runtimes.trace_file import TraceFolder


class TorchProfiler:
    """See runtime.Profiler."""

    file_name = "torch.trace.json"

    def __init__(self) -> None:
        activities = [ProfilerActivity.CPU]
        if torch.cuda.is_available():
            activities.append(ProfilerActivity.CUDA)
        # The first profile of a process takes seconds to begin: that one is this, of nothing.
        with profile(activities=activities):
            pass
        self._profile = profile(activities=activities, record_shapes=True)
        self._folder = TraceFolder()

    def start(self) -> None:
        """Capture this thread's operations and the device's."""
        self._profile.start()

    def stop(self) -> None:
        """Capture nothing more."""
        self._profile.stop()

    def trace(self, max_bytes: int) -> bytes:
        """The JSON, without the name that the file had on this machine."""
        path = self._folder.path / "trace.json"
        self._profile.export_chrome_trace(str(path))
        return self._folder.read(path.name, max_bytes).replace(
            json.dumps(str(path)).encode(), json.dumps(self.file_name).encode()
        )

    def close(self) -> None:
        """Take the file away."""
        self._folder.close()
