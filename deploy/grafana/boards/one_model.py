"""One model: who asks what, where the time goes, how it is batched, what its workers use."""

from __future__ import annotations

from deploy.grafana.boards import choices as c
from deploy.grafana.boards.board import Board
from deploy.grafana.boards.panels import heat, lines, number
from deploy.grafana.boards.shared import (
    CPU,
    DURATION,
    MEMORY,
    QUANTILES,
    REQUESTS,
    STAGE,
    failing,
    latency_now,
    nearest_limit,
    refused,
    requests,
)

ANSWERED = f'{c.VERSION}, outcome="OK"'
BY_VERSION = "{{version}}"


def worker(metric: str) -> str:
    """The sum of a gauge of workers, by version."""
    return f"sum by (version) ({metric}{{{c.VERSION}}})"


def filling(metric: str) -> str:
    """The rate of a histogram's buckets."""
    return f"sum by (le) (increase({metric}[$__rate_interval]))"


NOW = [
    requests(c.VERSION, 4),
    failing(c.VERSION, 4),
    latency_now(0.5, c.VERSION, 4),
    latency_now(0.99, c.VERSION, 4),
    number("Rows", "rowsps", c.rate("underway_rows_total", c.VERSION)),
    nearest_limit(c.VERSION, 4),
]

TRAFFIC = [
    lines("By version", "reqps", (c.rate(REQUESTS, c.VERSION, "version"), BY_VERSION),
          stacked=True),
    lines("By ending", "reqps", (c.rate(REQUESTS, c.VERSION, "outcome"), "{{outcome}}"),
          stacked=True),
    lines("By protocol", "reqps", (c.rate(REQUESTS, c.VERSION, "protocol"), "{{protocol}}"),
          stacked=True),
    lines(
        "Latency by version",
        "s",
        *((c.quantile(q, DURATION, ANSWERED, "version"), f"{BY_VERSION} p{q * 100:g}")
          for q in QUANTILES),
        exemplars=True,
        width=12,
    ),
    heat("Latency", "s", filling(f"{DURATION}_bucket{{{ANSWERED}}}")),
]  # fmt: skip

STAGES = [
    lines(
        "Mean of each stage",
        "s",
        (c.mean(STAGE, c.VERSION, "stage"), "{{stage}}"),
        stacked=True,
        about="They add up to the whole request.",
        width=12,
    ),
    lines("p95 of each stage", "s", (c.quantile(0.95, STAGE, c.VERSION, "stage"), "{{stage}}"),
          width=12),
    heat("Wait in the queue", "s", filling(f'{STAGE}_bucket{{{c.VERSION}, stage="queue"}}')),
    heat("Computing", "s", filling(f'{STAGE}_bucket{{{c.VERSION}, stage="compute"}}')),
]  # fmt: skip

BATCHES = [
    lines("Mean rows of a batch", "short",
          (c.mean("underway_batch_rows", c.VERSION, "version"), BY_VERSION)),
    lines(
        "Share filled in",
        "percentunit",
        (c.share(c.rate("underway_batch_padded_rows_total", c.VERSION, "version"),
                 c.rate("underway_batch_rows_sum", c.VERSION, "version")), BY_VERSION),
        about="Rows that were computed for nobody.",
        top=1,
    ),
    heat("Rows of batches", "short", filling(f"underway_batch_rows_bucket{{{c.VERSION}}}"),
         width=8),
    lines("Rows let in and not computed", "short",
          (f"sum(underway_pending_rows{{{c.MODEL}}})", "rows")),
    lines("Bytes of their inputs", "bytes",
          (f"sum(underway_pending_bytes{{{c.MODEL}}})", "bytes")),
    refused(c.VERSION),
]  # fmt: skip

WORKERS = [
    lines("Workers", "short", (worker("underway_workers"), BY_VERSION), width=6),
    lines("CPUs", "short",
          (c.rate(CPU, c.VERSION, "version"), BY_VERSION),
          width=6),
    lines("Memory", "bytes",
          (worker(MEMORY), BY_VERSION), width=6),
    lines(
        "Replaced by reason",
        "short",
        (f"sum by (version, reason) (increase(underway_worker_restarts_total{{{c.VERSION}}}"
         f"[$__rate_interval]))", "{{version}} {{reason}}"),
        width=6,
    ),
]  # fmt: skip

BOARD = Board(
    "underway-model",
    "Underway: one model",
    "One model by version: traffic, latency, stages, batches, workers.",
    (c.INSTANCE, c.ONE_MODEL, c.VERSIONS),
    [("Now", NOW), ("Requests", TRAFFIC), ("Where the time goes", STAGES), ("Batches", BATCHES),
     ("Workers", WORKERS)],
    (c.ALERTS,),
)  # fmt: skip
