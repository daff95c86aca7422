"""ONNX Runtime's profiler, whose trace is JSON that Perfetto opens.

A session either writes a profile or does not, from its first run on; so a second session of the
same file computes what is to be captured.
"""

from __future__ import annotations

from collections.abc import Callable

import onnxruntime as ort

from runtimes.runtime import LoadedModel
from runtimes.trace_file import TraceFolder


class OnnxProfiler:
    """See runtime.Profiler. `second` makes the session from settings that were made for it, and the
    model around it.
    """

    file_name = "onnxruntime.trace.json"

    def __init__(
        self,
        settings: ort.SessionOptions,
        second: Callable[[ort.SessionOptions], tuple[ort.InferenceSession, LoadedModel]],
    ) -> None:
        self._folder = TraceFolder()
        settings.enable_profiling = True
        settings.profile_file_prefix = str(self._folder.path / "trace")
        try:
            self._session, self.model = second(settings)
        except BaseException:
            self._folder.close()
            raise

    def start(self) -> None:
        """The second session has been capturing since it was made."""

    def stop(self) -> None:
        """The second session computes no more, and so captures no more."""

    def trace(self, max_bytes: int) -> bytes:
        """The JSON."""
        self._session.end_profiling()
        return self._folder.read("*.json", max_bytes)

    def close(self) -> None:
        """Take the file away; the session goes with this object."""
        self._folder.close()
