"""Panels that several dashboards have, each with matchers of its own."""

from __future__ import annotations

from deploy.grafana.boards import choices as c
from deploy.grafana.boards.panels import Panel, lines, number, of_limit

REQUESTS = "underway_requests_total"
DURATION = "underway_request_duration_seconds"
STAGE = "underway_stage_duration_seconds"
MEMORY = "underway_worker_proportional_memory_bytes"
CPU = "underway_worker_cpu_seconds_total"
QUANTILES = (0.5, 0.95, 0.99)


def requests(matchers: str, width: int) -> Panel:
    """Requests that ended."""
    return number("Requests", "reqps", c.rate(REQUESTS, matchers), width=width)


def failing(matchers: str, width: int) -> Panel:
    """The share of them that failed."""
    faults = c.rate(REQUESTS, f"{matchers}, {c.FAULTS}")
    return number(
        "Failing",
        "percentunit",
        c.share(faults, c.rate(REQUESTS, matchers)),
        about="What the server is to blame for: INTERNAL, UNAVAILABLE, DEADLINE_EXCEEDED.",
        steps={0.01: "orange", 0.05: "red"},
        width=width,
    )


def latency_now(q: float, matchers: str, width: int) -> Panel:
    """A quantile of the whole request."""
    expression = c.quantile(q, DURATION, f'{matchers}, outcome="OK"')
    return number(f"p{q * 100:g}", "s", expression, about="Of answered requests.", width=width)


def nearest_limit(matchers: str, width: int) -> Panel:
    """How near the nearest version is to refusing requests."""
    return number(
        "In flight over limit",
        "percentunit",
        f"max(underway_in_flight_limit_ratio{{{matchers}}})",
        about="Of the version that is nearest to a limit. At 100 % requests are refused.",
        steps=of_limit(),
        width=width,
    )


def failed_versions(matchers: str, width: int) -> Panel:
    """Versions that could not be loaded."""
    expression = f'sum(underway_model_version_state{{{matchers}, state="FAILED"}}) or vector(0)'
    return number("Failed versions", "short", expression, steps={1: "red"}, width=width)


def ready_versions(matchers: str, width: int) -> Panel:
    """Versions that serve."""
    expression = f'sum(underway_model_version_state{{{matchers}, state="READY"}})'
    return number("Ready versions", "short", expression, width=width)


def refused(matchers: str) -> Panel:
    """Requests that were too much."""
    rejected = c.rate("underway_requests_rejected_total", matchers, "reason")
    return lines("Refused by reason", "reqps", (rejected, "{{reason}}"), stacked=True)
