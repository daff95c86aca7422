"""Keeps memory that was freed in the process, where the C library would give it back at once.

Every large request frees a few buffers at the top of the heap. Given back, they are fetched anew by
the next request, page by page, which costs more than all else that is done for it.
"""

from __future__ import annotations

import ctypes

KEPT_BYTES = 8 * 2**20
"""How much stays at the top of the heap; larger blocks than this come and go on their own."""

_M_TRIM_THRESHOLD = -1
_M_MMAP_THRESHOLD = -3


def keep_freed_memory() -> bool:
    """Set it for this process; False where the C library is another than glibc."""
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError):
        return False
    return bool(mallopt(_M_TRIM_THRESHOLD, KEPT_BYTES) and mallopt(_M_MMAP_THRESHOLD, KEPT_BYTES))
