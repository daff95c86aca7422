"""Counters under other servers' names, which do not end in `_total` as ours do."""

from __future__ import annotations

import re
from collections.abc import Sequence

from prometheus_client.core import Metric

_UNTYPED = re.compile(rb"^(# TYPE \S+) untyped$", re.MULTILINE)


class Counter(Metric):
    """A counter of just that name. OpenMetrics has no such thing, so it is `unknown` there."""

    def __init__(self, name: str, text: str, labels: Sequence[str] = ()) -> None:
        super().__init__(name, text, "unknown")
        self._labels = tuple(labels)

    def add(self, values: Sequence[str], count: float) -> None:
        """One series."""
        self.add_sample(self.name, dict(zip(self._labels, values, strict=True)), count)


def typed(text: bytes, *, open: bool = False) -> bytes:
    """Prometheus' text of families among which no type but that of counters is unknown; `open`
    where it is to be a part of OpenMetrics.
    """
    return _UNTYPED.sub(rb"\1 unknown" if open else rb"\1 counter", text)
