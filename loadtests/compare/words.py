"""Numbers as people read them: three digits, a unit that fits, a dash where unknown (pure)."""

from __future__ import annotations

import math

from loadtests.compare.statistics import Estimate

NOT_KNOWN = "–"  # noqa: RUF001 - a dash, as it is printed


def amount(value: float | None) -> str:
    """Three digits, thousands with a comma."""
    if value is None:
        return NOT_KNOWN
    if value == 0:
        return "0"
    digits = 2 - math.floor(math.log10(abs(value)))
    if digits <= 0:
        return f"{round(value, digits):,.0f}"
    if digits > 6:
        return f"{value:.2e}"
    text = f"{value:.{digits}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def milliseconds(value: float | None) -> str:
    """With the unit."""
    return NOT_KNOWN if value is None else f"{amount(value)} ms"


def size(value: float | None) -> str:
    """Bytes in the decimal unit that fits."""
    if value is None:
        return NOT_KNOWN
    for unit, scale in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if value >= scale:
            return f"{amount(value / scale)} {unit}"
    return f"{value:.0f} B"


def share(value: float | None) -> str:
    """Percent."""
    return NOT_KNOWN if value is None else f"{value:.1%}".replace(".0%", "%")


def interval(estimate: Estimate | None, scale: float = 1.0) -> str:
    """The value with its confidence interval, where there is one."""
    if estimate is None:
        return NOT_KNOWN
    value = amount(estimate.value * scale)
    if estimate.low is None or estimate.high is None:
        return value
    low, high = amount(estimate.low * scale), amount(estimate.high * scale)
    return f"{value} ({low}{NOT_KNOWN}{high})"
