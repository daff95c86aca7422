"""The first dashboard to look at: is all well, and if not, where?"""

from __future__ import annotations

from deploy.grafana.boards import choices as c
from deploy.grafana.boards.board import Board
from deploy.grafana.boards.panels import grid, lines, number, of_limit
from deploy.grafana.boards.shared import (
    CPU,
    DURATION,
    MEMORY,
    QUANTILES,
    REQUESTS,
    STAGE,
    failed_versions,
    failing,
    latency_now,
    nearest_limit,
    ready_versions,
    refused,
    requests,
)

ANSWERED = f'{c.MODEL}, outcome="OK"'
KEY = "instance, model, version, runtime"
OURS = "* on (job, instance) underway_build_info"
"""Leaves out other programs, which have metrics of the same name about themselves."""

NOW = [
    requests(c.MODEL, 3),
    failing(c.MODEL, 3),
    latency_now(0.99, c.MODEL, 3),
    ready_versions(c.MODEL, 3),
    failed_versions(c.MODEL, 3),
    number(
        "Workers replaced, 1 h",
        "short",
        f"sum(increase(underway_worker_restarts_total{{{c.MODEL}}}[1h]))",
        steps={0.5: "orange", 5: "red"},
        width=3,
    ),
    nearest_limit(c.MODEL, 3),
    number(
        "Memory",
        "percentunit",
        f"max(1 - underway_memory_available_bytes{{{c.SERVER}}} / "
        f"underway_memory_limit_bytes{{{c.SERVER}}})",
        about="Of the server with the least left.",
        steps=of_limit(),
        width=3,
    ),
]  # fmt: skip

TRAFFIC = [
    lines("Requests by model", "reqps", (c.rate(REQUESTS, c.MODEL, "model"), "{{model}}"),
          stacked=True),
    lines(
        "Endings other than OK",
        "reqps",
        (c.rate(REQUESTS, f'{c.MODEL}, outcome!="OK"', "outcome"), "{{outcome}}"),
        stacked=True,
    ),
    lines(
        "Latency",
        "s",
        *((c.quantile(q, DURATION, ANSWERED), f"p{q * 100:g}") for q in QUANTILES),
        about="Of answered requests, all models together.",
    ),
]  # fmt: skip

LOAD = [
    lines(
        "p95 of the wait in the queue",
        "s",
        (c.quantile(0.95, STAGE, f'{c.MODEL}, stage="queue"', "model"),
         "{{model}}"),
    ),
    lines(
        "In flight over limit",
        "percentunit",
        (f"max by (model) (underway_in_flight_limit_ratio{{{c.MODEL}}})", "{{model}}"),
        top=1,
    ),
    refused(c.MODEL),
]  # fmt: skip

VERSIONS = [
    grid(
        "Versions that serve",
        [
            ("Workers", "short", f"sum by ({KEY}) (underway_workers{{{c.MODEL}}})"),
            ("Requests/s", "reqps", c.rate(REQUESTS, c.MODEL, KEY)),
            ("p95", "s", c.quantile(0.95, DURATION, ANSWERED, KEY)),
            ("Memory", "bytes",
             f"sum by ({KEY}) ({MEMORY}{{{c.MODEL}}})"),
            ("Load", "s", f"max by ({KEY}) (underway_version_load_seconds{{{c.MODEL}}})"),
            ("Warm-up", "s", f"max by ({KEY}) (underway_version_warm_up_seconds{{{c.MODEL}}})"),
        ],
        ("instance", "model", "version", "runtime"),
    )
]  # fmt: skip

MACHINE = [
    lines(
        "CPUs",
        "short",
        (c.rate(CPU, c.MODEL, "model"), "{{model}}"),
        (f"sum(rate(process_cpu_seconds_total{{{c.SERVER}}}[$__rate_interval]) {OURS})", "gateway"),
        stacked=True,
        about="CPU seconds per second: workers by model, and the gateway's process.",
    ),
    lines(
        "Memory",
        "bytes",
        (f"sum by (model) ({MEMORY}{{{c.MODEL}}})", "{{model}}"),
        (f"sum(process_resident_memory_bytes{{{c.SERVER}}} {OURS})", "gateway"),
        stacked=True,
        about="What workers share counts once.",
    ),
    lines(
        "p99 of event-loop lag",
        "s",
        (c.quantile(0.99, "underway_event_loop_lag_seconds", c.SERVER, "instance, process"),
         "{{instance}} {{process}}"),
        about="What any request in that process may have to wait, whatever it is.",
    ),
    lines(
        "Bytes",
        "Bps",
        (c.rate("underway_request_bytes_total", c.MODEL), "in"),
        (c.rate("underway_response_bytes_total", c.MODEL), "out"),
        width=12,
    ),
    lines(
        "Processes replaced",
        "short",
        (f"sum by (model, reason) (increase(underway_worker_restarts_total{{{c.MODEL}}}"
         f"[$__rate_interval]))", "{{model}} {{reason}}"),
        (f"sum by (reason) (increase(underway_frontend_restarts_total{{{c.SERVER}}}"
         f"[$__rate_interval]))", "frontend {{reason}}"),
        width=12,
    ),
]  # fmt: skip

DOORS = [
    lines(
        "Calls refused",
        "reqps",
        (c.rate("underway_refused_calls_total", c.SERVER, "instance, door, code"),
         "{{instance}} {{door}} {{code}}"),
        about="For want of a right, by port. They are in no other panel.",
        width=12,
    ),
    lines(
        "Time the certificate has left",
        "s",
        (f"clamp_min(underway_tls_certificate_expiry_timestamp_seconds{{{c.SERVER}}} - time(), 0)",
         "{{instance}}"),
        about="Until clients refuse it, unless it is renewed.",
        width=12,
    ),
]  # fmt: skip

BOARD = Board(
    "underway-overview",
    "Underway: overview",
    "All models of all servers: traffic, failures, waiting, versions, machine.",
    (c.INSTANCE, c.MODELS),
    [("Now", NOW), ("Requests", TRAFFIC), ("Waiting", LOAD), ("Versions", VERSIONS),
     ("Machine", MACHINE), ("Doors", DOORS)],
    (c.ALERTS,),
)  # fmt: skip
