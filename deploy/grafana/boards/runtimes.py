"""The same model in several runtimes, side by side. Choose the models that are the same."""

from __future__ import annotations

from deploy.grafana.boards import choices as c
from deploy.grafana.boards.board import Board
from deploy.grafana.boards.panels import Panel, bars, grid, lines
from deploy.grafana.boards.shared import CPU, DURATION, MEMORY, QUANTILES, REQUESTS, STAGE

MINE = f'{c.MODEL}, runtime=~"$runtime"'
ANSWERED = f'{MINE}, outcome="OK"'
BY = "runtime, model"
WHO = "{{runtime}} {{model}}"


def over(numerator: str, denominator: str) -> str:
    """The rate of one counter per increase of another, of each runtime."""
    return c.share(c.rate(numerator, MINE, BY), c.rate(denominator, MINE, BY))


def compare(title: str, unit: str, expression: str, about: str = "") -> Panel:
    """A line per runtime."""
    return lines(title, unit, (expression, WHO), by_runtime=True, about=about)


PADDED = over("underway_batch_padded_rows_total", "underway_batch_rows_sum")
ROWS = c.mean("underway_batch_rows", MINE, BY)
REQUEST_CPU = over(CPU, REQUESTS)
COMPUTE = f'{MINE}, stage="compute"'
PER_ROW = c.share(c.rate(f"{STAGE}_sum", COMPUTE, BY), c.rate("underway_rows_total", MINE, BY))
IN_MEMORY = f"sum by ({BY}) ({MEMORY}{{{MINE}}})"

TABLE = [
    grid(
        "All figures",
        [
            ("Requests/s", "reqps", c.rate(REQUESTS, MINE, BY)),
            ("p50", "s", c.quantile(0.5, DURATION, ANSWERED, BY)),
            ("p95", "s", c.quantile(0.95, DURATION, ANSWERED, BY)),
            ("p99", "s", c.quantile(0.99, DURATION, ANSWERED, BY)),
            ("Computing", "s", c.mean(STAGE, COMPUTE, BY)),
            ("Rows of a batch", "short", ROWS),
            ("Filled in", "percentunit", PADDED),
            ("CPU of a request", "s", REQUEST_CPU),
            ("Memory", "bytes", IN_MEMORY),
            ("Load", "s", f"max by ({BY}) (underway_version_load_seconds{{{MINE}}})"),
            ("Warm-up", "s", f"max by ({BY}) (underway_version_warm_up_seconds{{{MINE}}})"),
        ],
        ("runtime", "model"),
        about="Compare what is asked the same: the same rows per second, in the same sizes.",
    )
]

LATENCY = [
    compare(f"p{q * 100:g}", "s", c.quantile(q, DURATION, ANSWERED, BY)) for q in QUANTILES
] + [
    compare("Requests", "reqps", c.rate(REQUESTS, MINE, BY)),
    compare("Rows", "rowsps", c.rate("underway_rows_total", MINE, BY)),
    compare("Wait in the queue, p95", "s", c.quantile(0.95, STAGE, f'{MINE}, stage="queue"', BY)),
]

STAGES = [
    bars("Mean of each stage", "s", (c.mean(STAGE, MINE, f"{BY}, stage"), WHO + " {{stage}}"),
         width=24),
    lines(
        "Stages in $runtime",
        "s",
        (c.mean(STAGE, MINE, "stage"), "{{stage}}"),
        stacked=True,
        about="They add up to the whole request.",
    ).repeat("runtime").repeat_direction("h"),
]  # fmt: skip

USE = [
    compare("CPUs", "short", c.rate(CPU, MINE, BY)),
    compare("CPU time of a request", "s", REQUEST_CPU,
            about="All that the workers used over the requests that ended."),
    compare("Memory", "bytes", IN_MEMORY, about="Pages that workers share count once."),
]  # fmt: skip

BATCHES = [
    compare("Mean rows of a batch", "short", ROWS),
    compare("Computing per row", "s", PER_ROW,
            about="A request counts its whole batch: less where more requests share one."),
    compare("Share filled in", "percentunit", PADDED, about="Rows computed for nobody."),
]  # fmt: skip

BOARD = Board(
    "underway-runtimes",
    "Underway: runtime comparison",
    "The same model in several runtimes: latency, stages, CPU, memory, batches. Choose its models.",
    (c.INSTANCE, c.MODELS, c.RUNTIMES),
    [("Side by side", TABLE), ("Latency and throughput", LATENCY), ("Stages", STAGES),
     ("CPU and memory", USE), ("Batches", BATCHES)],
)  # fmt: skip
