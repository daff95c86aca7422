"""GPUs: how busy, how full, how hot on power, and whose memory it is. Empty where there is none."""

from __future__ import annotations

from deploy.grafana.boards import choices as c
from deploy.grafana.boards.board import Board, Choice
from deploy.grafana.boards.panels import grid, lines, number, of_limit

GPU = f'{c.SERVER}, gpu=~"$gpu"'
WHO = "{{instance}} {{gpu}}"
USED = f"underway_gpu_memory_used_bytes{{{GPU}}}"
TOTAL = f"underway_gpu_memory_total_bytes{{{GPU}}}"
BUSY = f"underway_gpu_utilization_ratio{{{GPU}}}"
KEY = "instance, model, version, runtime, device"

NOW = [
    number("GPUs", "short", f"count({TOTAL})", width=6),
    number("Busiest", "percentunit", f"max({BUSY})", width=6),
    number("Fullest", "percentunit", f"max({USED} / {TOTAL})", steps=of_limit(), width=6),
    number("Power", "watt", f"sum(underway_gpu_power_watts{{{GPU}}})", width=6),
]

DEVICES = [
    lines("Busy", "percentunit", (BUSY, WHO), top=1),
    lines("Memory in use", "bytes", (USED, WHO), about="By whoever it is."),
    lines("Share of memory in use", "percentunit", (f"{USED} / {TOTAL}", WHO), top=1),
    lines(
        "Power",
        "watt",
        (f"underway_gpu_power_watts{{{GPU}}}", WHO),
        (f"underway_gpu_power_limit_watts{{{GPU}}}", f"{WHO} limit"),
        width=12,
    ),
    lines(
        "Energy per request",
        "joule",
        (c.share(c.rate("underway_gpu_energy_joules_total", GPU, "instance"),
                 c.rate("underway_requests_total", c.SERVER, "instance")), "{{instance}}"),
        about="All that the chosen GPUs used over all requests to the server.",
        width=12,
    ),
]  # fmt: skip

MODELS = [
    lines(
        "Memory of workers",
        "bytes",
        (f"sum by (model, version, device) (underway_worker_gpu_memory_bytes{{{c.SERVER}}})",
         "{{model}} {{version}} {{device}}"),
        stacked=True,
        width=12,
    ),
    grid(
        "Versions on GPUs",
        [("Load", "s",
          f'max by ({KEY}) (underway_version_load_seconds{{{c.SERVER}, device=~"cuda.*"}})')],
        ("instance", "model", "version", "runtime", "device"),
        width=12,
    ),
]  # fmt: skip

BOARD = Board(
    "underway-gpus",
    "Underway: GPUs",
    "Devices as their driver tells of them, and the models on them. Empty on machines without one.",
    (c.INSTANCE, Choice("gpu", f"underway_gpu_memory_total_bytes{{{c.SERVER}}}")),
    [("Now", NOW), ("Devices", DEVICES), ("Models", MODELS)],
    (c.ALERTS,),
)
