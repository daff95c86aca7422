"""Where an answer's time went, told with the answer itself.

The form is that of the HTTP header Server-Timing (https://www.w3.org/TR/server-timing/), which
browsers' developer tools show: `NAME;dur=MILLISECONDS, ...`. gRPC has the same text as metadata.
"""

from __future__ import annotations

from server.exchange import STAGES, Exchange

HEADER = b"server-timing"
METADATA = "server-timing"

_FORM = ", ".join(f"{name};dur=%.3f" for name in (*STAGES, "total"))


def server_timing(exchange: Exchange) -> str:
    """Each stage and the total, of what is answered and encoded."""
    a, b, c, d, e, f, g, h = exchange.stages()
    return _FORM % (
        a / 1e6, b / 1e6, c / 1e6, d / 1e6, e / 1e6, f / 1e6, g / 1e6, h / 1e6,
        exchange.total_ns / 1e6,
    )  # fmt: skip
