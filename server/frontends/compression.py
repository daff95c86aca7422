"""Compressing an answer, when its client says it wants that."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Sequence

from runtimes.contract.tensor import Buffer
from server.frontends.body import WINDOW_BITS

MIN_BYTES = 1024
"""Answers below this are sent as they are: a header costs more than compression saves."""

_LEVEL = 1
_INLINE_BYTES = 256 * 2**10


def negotiate(accept_encoding: str | None) -> str | None:
    """`gzip`, `deflate` or None: the coding the client likes best among ours and none.

    Only a coding that is named counts as asked for; `*` does not.
    """
    if not accept_encoding:
        return None
    wishes = dict(_wish(item) for item in accept_encoding.split(","))
    best, best_quality = None, wishes.get("identity", 0.0)
    for coding in WINDOW_BITS:
        quality = wishes.get(coding, 0.0)
        # On a tie a named coding beats plain: naming both is asking for compression.
        if quality > best_quality or (quality == best_quality and quality > 0 and best is None):
            best, best_quality = coding, quality
    return best


def _wish(item: str) -> tuple[str, float]:
    coding, _, parameter = item.partition(";")
    name, _, value = parameter.partition("=")
    quality = 1.0
    if name.strip().lower() == "q":
        try:
            quality = float(value)
        except ValueError:
            quality = 0.0
    return coding.strip().lower(), quality


async def compress(parts: Sequence[Buffer], coding: str) -> bytes:
    """`parts` joined and compressed; in a thread when they are large, to keep the loop free."""
    if sum(map(len, parts)) <= _INLINE_BYTES:
        return _compress(parts, coding)
    return await asyncio.to_thread(_compress, parts, coding)


def _compress(parts: Sequence[Buffer], coding: str) -> bytes:
    compressor = zlib.compressobj(_LEVEL, zlib.DEFLATED, WINDOW_BITS[coding])
    out = [compressor.compress(part) for part in parts]
    out.append(compressor.flush())
    return b"".join(out)
