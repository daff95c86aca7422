"""Versions that come and go: when, how long it took, what failed, and what clients saw of it."""

from __future__ import annotations

from deploy.grafana.boards import choices as c
from deploy.grafana.boards.board import Board, Marks
from deploy.grafana.boards.panels import bars, grid, lines, number, states
from deploy.grafana.boards.shared import DURATION, REQUESTS, failed_versions, ready_versions

STATE = "underway_model_version_state"
PHASE = "underway_swap_phase_seconds"
FAILURES = "underway_load_failures_total"
KEY = "model, version, runtime, device"

STATES = {
    1: ("FAILED", "red"),
    2: ("LOADING", "blue"),
    3: ("WARMING", "yellow"),
    4: ("UNLOADING", "purple"),
    5: ("DRAINING", "orange"),
    6: ("READY", "green"),
}
"""A version may be there twice, taking up changed settings: what serves is the one to show."""


def timeline() -> str:
    """The state of each version as a number of STATES."""
    each = (
        f'{STATE}{{{c.VERSION}, state="{name}"}} * 0 + {value}'
        for value, (name, _) in STATES.items()
    )
    return f"max by (instance, model, version) ({' or '.join(each)})"


def over_the_time(expression: str) -> str:
    """The increase of a sum or a count over all that is shown."""
    return f"increase({expression}[$__range])"


PHASE_SUM = over_the_time(f"{PHASE}_sum{{{c.MODEL}}}")
PHASE_COUNT = over_the_time(f"{PHASE}_count{{{c.MODEL}}}")
LOAD_SUM = over_the_time(f'{PHASE}_sum{{{c.MODEL}, phase=~"load|warm_up"}}')
LOAD_COUNT = over_the_time(f'{PHASE}_count{{{c.MODEL}, phase="load"}}')

NOW = [
    ready_versions(c.VERSION, 6),
    failed_versions(c.VERSION, 6),
    number("Failures, 1 h", "short", f"sum(increase({FAILURES}{{{c.MODEL}}}[1h]))",
           steps={0.5: "red"}, width=6),
    number(
        "Changed in place, 1 h",
        "short",
        f"sum(increase(underway_versions_changed_in_place_total{{{c.MODEL}}}[1h]))",
        about="Versions that were written over after they were loaded.",
        steps={0.5: "red"},
        width=6,
    ),
]  # fmt: skip

TIMELINE = [
    states(
        "States",
        (timeline(), "{{instance}} {{model}} {{version}}"),
        STATES,
        about="What ended is not shown any more. States that are over before Prometheus looks "
        "are not seen; the history of the server has them all.",
    ),
    lines(
        "Requests by version",
        "reqps",
        (c.rate(REQUESTS, c.VERSION, "model, version"), "{{model}} {{version}}"),
        stacked=True,
        width=12,
    ),
    lines(
        "p99 by model",
        "s",
        (c.quantile(0.99, DURATION, f'{c.MODEL}, outcome="OK"', "model"),
         "{{model}}"),
        about="A swap should not be seen here.",
        width=12,
    ),
]  # fmt: skip

PHASES = [
    bars(
        "Mean of each phase",
        "s",
        (c.share(f"sum by (phase) ({PHASE_SUM})", f"sum by (phase) ({PHASE_COUNT})"), "{{phase}}"),
        about="Over the time that is shown.",
    ),
    bars(
        "Mean of loading by model",
        "s",
        (c.share(f"sum by (model) ({LOAD_SUM})", f"sum by (model) ({LOAD_COUNT})"),
         "{{model}}"),
        about="Loading and warm-up together, over the time that is shown.",
    ),
    lines(
        "Phases that ended",
        "short",
        (f"sum by (phase) (increase({PHASE}_count{{{c.MODEL}}}[$__rate_interval]))", "{{phase}}"),
    ),
    lines(
        "Failures",
        "short",
        (f"sum by (model, phase, reason) (increase({FAILURES}{{{c.MODEL}}}[$__rate_interval]))",
         "{{model}} {{phase}} {{reason}}"),
        width=12,
    ),
    grid(
        "Versions that serve",
        [
            ("Load", "s", f"max by ({KEY}) (underway_version_load_seconds{{{c.VERSION}}})"),
            ("Warm-up", "s", f"max by ({KEY}) (underway_version_warm_up_seconds{{{c.VERSION}}})"),
        ],
        ("model", "version", "runtime", "device"),
        width=12,
    ),
]  # fmt: skip

READY = Marks(
    "Ready",
    f'{STATE}{{{c.VERSION}, state="READY"}} unless {STATE}{{{c.VERSION}, state="READY"}} offset 1m',
    "{{model}} {{version}} is ready on {{instance}}",
    "green",
)
FAILED = Marks(
    "Failed",
    f"sum by (instance, model, phase, reason) (increase({FAILURES}{{{c.MODEL}}}[1m])) > 0",
    "{{model}}: {{phase}} failed, {{reason}}, on {{instance}}",
    "red",
)

BOARD = Board(
    "underway-swaps",
    "Underway: swaps",
    "Versions over time, the phases of swaps, failures, and what clients saw of it.",
    (c.INSTANCE, c.MODELS, c.VERSIONS),
    [("Now", NOW), ("Timeline", TIMELINE), ("Phases", PHASES)],
    (READY, FAILED, c.ALERTS),
)
