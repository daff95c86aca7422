"""Keeps the frameworks' start-up chatter off the screen, unless something goes wrong."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO

from server.demo.errors import DemoError

STDERR = 2
SHOWN_BYTES = 8000


@contextmanager
def stderr_set_aside() -> Iterator[None]:
    """Collect what is written to standard error, C++ code included; show its end on a failure.

    The file descriptor is what's redirected: TensorFlow writes there before its own log level
    has any effect.
    """
    sys.stderr.flush()
    kept = os.dup(STDERR)
    with tempfile.TemporaryFile() as aside:
        os.dup2(aside.fileno(), STDERR)
        try:
            yield
        except DemoError:
            _restore(kept)
            raise
        except Exception:
            _restore(kept)
            _show_end(aside)
            raise
        finally:
            _restore(kept)
            os.close(kept)


def _restore(kept: int) -> None:
    sys.stderr.flush()
    os.dup2(kept, STDERR)


def _show_end(aside: IO[bytes]) -> None:
    size = aside.seek(0, os.SEEK_END)
    aside.seek(max(0, size - SHOWN_BYTES))
    sys.stderr.write(aside.read().decode(errors="replace"))
    sys.stderr.flush()
