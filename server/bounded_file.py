"""Reads files that an operator names: whole, of a bounded size, and never waiting for a pipe."""

from __future__ import annotations

import os
import stat
from pathlib import Path


class BoundedFileError(Exception):
    """A file cannot be read; the text names it and says why."""


class FileTooLargeError(BoundedFileError):
    """It has more bytes than it may."""


def read_bounded(path: Path, limit: int) -> bytes:
    """What is in the file at `path`. Raises BoundedFileError, FileTooLargeError over `limit`
    bytes.
    """
    try:
        # Without waiting: a pipe would keep whoever reads it for ever.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            # Closed below: of a folder, which cannot be opened so, it would stay open.
            with open(descriptor, "rb", closefd=False) as file:
                if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                    raise BoundedFileError(f"'{path}' is no file")
                content = file.read(limit + 1)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise BoundedFileError(f"'{path}' cannot be read: {error.strerror}") from None
    if len(content) > limit:
        raise FileTooLargeError(f"'{path}' is over {limit} bytes")
    return content
