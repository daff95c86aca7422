"""When a worker counts as hung, and how soon a dead one is started again: decisions only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

WINDOW = 600.0  # far more than LONGEST_DELAY, or the back-off would forget itself
"""Deaths are remembered this long, in seconds."""

CRASH_LOOP = 5
"""So many deaths within the window are no accident."""

FIRST_DELAY = 0.05
LONGEST_DELAY = 30.0


@dataclass(frozen=True, slots=True)
class HeartbeatLimits:
    """Seconds between pings, of silence, and of one batch, before a worker is taken for hung."""

    interval_s: float = 1.0
    silence_s: float = 10.0
    busy_s: float = 300.0

    def complaint(self, silent_s: float, busy_s: float) -> str:
        """Why a worker that was silent and busy for so long is hung, "" where it is not."""
        if silent_s > self.silence_s:
            return f"no sign of life for {silent_s:.1f} s, allowed is {self.silence_s:g} s"
        if busy_s > self.busy_s:
            return f"one batch takes over {busy_s:.1f} s, allowed is {self.busy_s:g} s"
        return ""


def recent(deaths: Sequence[float], now: float) -> list[float]:
    """The times of death that still count at `now`."""
    return [at for at in deaths if now - at < WINDOW]


def restart_delay(deaths: int) -> float:
    """Seconds before the next start after so many recent deaths, this one included: none for the
    first, then doubling.
    """
    if deaths <= 1:
        return 0.0
    return float(min(FIRST_DELAY * 2 ** min(deaths - 2, 20), LONGEST_DELAY))


def is_crash_loop(deaths: int) -> bool:
    """True for so many recent deaths that people should be told."""
    return deaths >= CRASH_LOOP
