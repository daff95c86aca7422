"""ONNX Runtime's profiler, whose trace is JSON that Perfetto opens.

A session either writes a profile or does not, from its first run on; so a second session of the
same file computes what is to be captured.
"""

from __future__ import annotations

from collections.abc import Callable

import onnxruntime as ort

from runtimes.trace_file import TraceFolder


class OnnxProfiler:
    """See runtime.Profiler. `make` makes the second session of settings that were made for it, and
    `swap` has the model use another session, and gives the one it used.
    """

    file_name = "onnxruntime.trace.json"

    def __init__(
        self,
        settings: ort.SessionOptions,
        make: Callable[[ort.SessionOptions], ort.InferenceSession],
        swap: Callable[[ort.InferenceSession], ort.InferenceSession],
    ) -> None:
        self._swap = swap
        self._folder = TraceFolder()
        settings.enable_profiling = True
        settings.profile_file_prefix = str(self._folder.path / "trace")
        try:
            self._second = make(settings)
        except BaseException:
            self._folder.close()
            raise
        self._first: ort.InferenceSession | None = None

    def start(self) -> None:
        """Let the second session compute."""
        self._first = self._swap(self._second)

    def stop(self) -> None:
        """Let the first one compute again."""
        if self._first is not None:
            self._swap(self._first)

    def trace(self, max_bytes: int) -> bytes:
        """The JSON."""
        self._second.end_profiling()
        return self._folder.read("*.json", max_bytes)

    def close(self) -> None:
        """Take the file away; the session goes with this object."""
        self._folder.close()
