"""Refuses at once what would be too much in flight: by rows and by bytes, per model and overall.

Counts are this process's own; each of several frontends has its share of what the settings allow.
A worker's own queue has its own, exact bound.
"""

from __future__ import annotations

from dataclasses import dataclass

from server.errors import RETRY_AFTER, Overloaded


@dataclass(frozen=True, slots=True)
class AdmissionBounds:
    """Rows and bytes of requests in flight that one process admits, per model and overall."""

    rows: int
    bytes: int
    model_rows: int
    model_bytes: int

    def share(self, frontends: int) -> AdmissionBounds:
        """What one of so many frontends may admit; never nothing."""
        return AdmissionBounds(
            *(
                max(1, whole // frontends)
                for whole in (self.rows, self.bytes, self.model_rows, self.model_bytes)
            )
        )


class Usage:
    """Rows and bytes that are in flight."""

    __slots__ = ("bytes", "rows")

    def __init__(self) -> None:
        self.rows = 0
        self.bytes = 0


class Admission:
    """Counts what comes in and goes out, and says no in between."""

    def __init__(self, bounds: AdmissionBounds) -> None:
        self._bounds = bounds
        self.total = Usage()

    def enter(self, model: str, usage: Usage, rows: int, size: int) -> None:
        """Count a request of `rows` rows and `size` bytes, to be followed by `leave`.

        Raises Overloaded, and then nothing is counted. A request that is over a bound all by
        itself is let in where nothing else is in flight: it could never be served otherwise.
        """
        bounds, total = self._bounds, self.total
        if (
            usage.rows + rows > bounds.model_rows or usage.bytes + size > bounds.model_bytes
        ) and usage.rows:
            reason = "model_rows" if usage.rows + rows > bounds.model_rows else "model_bytes"
            raise self._refusal(f"for '{model}'", "-model", usage, reason)
        if (total.rows + rows > bounds.rows or total.bytes + size > bounds.bytes) and total.rows:
            reason = "rows" if total.rows + rows > bounds.rows else "bytes"
            raise self._refusal("in all", "", total, reason)
        usage.rows += rows
        usage.bytes += size
        total.rows += rows
        total.bytes += size

    def leave(self, usage: Usage, rows: int, size: int) -> None:
        """The request has ended."""
        usage.rows -= rows
        usage.bytes -= size
        self.total.rows -= rows
        self.total.bytes -= size

    @staticmethod
    def _refusal(where: str, which: str, usage: Usage, reason: str) -> Overloaded:
        setting = f"max{which}-in-flight"
        return Overloaded(
            f"Exceeds maximum queue size: {usage.rows} rows with {usage.bytes} bytes are in flight "
            f"{where}; see {setting}-rows and {setting}-bytes",
            retry_after=RETRY_AFTER,
            reason=reason,
        )
