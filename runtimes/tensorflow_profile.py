"""TensorFlow's profiler, whose trace is an XSpace message that TensorBoard's profile page opens."""

from __future__ import annotations

import tensorflow as tf

from runtimes.trace_file import TraceFolder


class TensorFlowProfiler:
    """See runtime.Profiler. What it captures is of the whole process."""

    file_name = "tensorflow.xplane.pb"

    def __init__(self) -> None:
        self._folder = TraceFolder()

    def start(self) -> None:
        """Capture all operations."""
        options = tf.profiler.experimental.ProfilerOptions(host_tracer_level=2)
        tf.profiler.experimental.start(str(self._folder.path), options)

    def stop(self) -> None:
        """Capture nothing more, and write what was captured."""
        tf.profiler.experimental.stop()

    def trace(self, max_bytes: int) -> bytes:
        """The message's bytes."""
        return self._folder.read("*.xplane.pb", max_bytes)

    def close(self) -> None:
        """Take the file away."""
        self._folder.close()
