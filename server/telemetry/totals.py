"""What was counted of everything, at one moment: read by metrics, statistics and the overview."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from server.telemetry.counts import Counts, Failures, Latency

UNKNOWN = "_unknown"
"""The model under which requests are counted that belong to no ready version."""


@dataclass(frozen=True, slots=True)
class VersionTotals:
    """One version's counts since the server began to serve it, over all frontends.

    `in_flight` are requests that are being answered, `restarts` workers that were replaced, by
    reason.
    """

    model: str
    version: int
    runtime: str
    counts: Counts
    in_flight: int = 0
    restarts: Mapping[str, int] = field(default_factory=dict)

    @property
    def names(self) -> tuple[str, str, str]:
        """The labels of its series: model, version and runtime."""
        return self.model, str(self.version), self.runtime


@dataclass(frozen=True, slots=True)
class Totals:
    """All of it. `usage` are rows and bytes in flight per model; `lags` how late event loops were,
    by process. `refused` are calls by door and code that were let in nowhere.
    """

    versions: Sequence[VersionTotals] = ()
    unknown: Failures = field(default_factory=dict)
    usage: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    lags: Mapping[str, Latency] = field(default_factory=dict)
    refused: Failures = field(default_factory=dict)


LABELS = ("model", "version", "runtime")
"""What VersionTotals.names are."""
