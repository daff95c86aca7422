"""What can be chosen above a dashboard, and the matchers that go by it."""

from __future__ import annotations

from deploy.grafana.boards.board import Choice, Marks

SERVER = 'instance=~"$instance"'
MODEL = f'{SERVER}, model=~"$model"'
VERSION = f'{MODEL}, version=~"$version"'

INSTANCE = Choice("instance", "underway_build_info")
MODELS = Choice("model", f"underway_model_version_state{{{SERVER}}}")
ONE_MODEL = Choice("model", f"underway_model_version_state{{{SERVER}}}", several=False)
VERSIONS = Choice("version", f"underway_model_version_state{{{MODEL}}}")
RUNTIMES = Choice("runtime", f"underway_workers{{{MODEL}}}")

FAULTS = 'outcome=~"INTERNAL|UNAVAILABLE|DEADLINE_EXCEEDED"'
"""Endings that the server is to blame for, as in the alert rules."""

ALERTS = Marks(
    "Alerts",
    'ALERTS{alertname=~"Underway.*", alertstate="firing"}',
    "{{alertname}} {{instance}} {{model}} {{version}}",
    "red",
)


def rate(metric: str, matchers: str, by: str = "") -> str:
    """The sum of the rates of a counter, by labels."""
    return f"{_sum(by)}(rate({metric}{{{matchers}}}[$__rate_interval]))"


def share(part: str, whole: str) -> str:
    """One expression over another, without a value where there is nothing to share."""
    return f"{part} / ({whole} > 0)"


def mean(histogram: str, matchers: str, by: str = "") -> str:
    """The mean of what a histogram saw."""
    return share(rate(f"{histogram}_sum", matchers, by), rate(f"{histogram}_count", matchers, by))


def quantile(q: float, histogram: str, matchers: str, by: str = "") -> str:
    """A quantile of what a histogram saw."""
    buckets = rate(f"{histogram}_bucket", matchers, ", ".join(filter(None, ("le", by))))
    return f"histogram_quantile({q:g}, {buckets})"


def _sum(by: str) -> str:
    return f"sum by ({by}) " if by else "sum "
