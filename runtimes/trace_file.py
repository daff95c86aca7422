"""Where profilers write their traces: a folder of their own, gone with them."""

from __future__ import annotations

import tempfile
from pathlib import Path

from runtimes.runtime import ModelError


class TraceFolder:
    """A private folder for one trace."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="profile-")
        self.path = Path(self._folder.name)

    def read(self, pattern: str, max_bytes: int) -> bytes:
        """The one file that `pattern` finds. Raises ModelError where it has more bytes."""
        found = next(self.path.rglob(pattern), None)
        if found is None:
            raise ModelError("the runtime's profiler wrote no trace")
        size = found.stat().st_size
        if size > max_bytes:
            raise ModelError(
                f"the trace has {size} bytes, more than {max_bytes}; ask for fewer batches"
            )
        return found.read_bytes()

    def close(self) -> None:
        """Take the folder away."""
        self._folder.cleanup()
