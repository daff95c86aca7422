"""The timeline picture: one dot per request over time, with the swaps marked."""

from __future__ import annotations

from pathlib import Path

import matplotlib as mpl

mpl.use("agg")

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes

from loadtests.swap.bench import Measured
from loadtests.swap.figures import Table
from loadtests.swap.questions import MODELS
from loadtests.swap.records import PROTOCOLS

WINDOW = 2.0
"""Seconds over which the p99 line is taken."""

INK = "#33414e"
COLOURS = {"rest": "#2f7ed8", "grpc": "#e0862b"}


def draw(measured: Measured, target: Path) -> None:
    """Write the picture as PNG."""
    figure, axes = plt.subplots(
        len(MODELS), 1, figsize=(13, 8.5), sharex=True, sharey=True, layout="constrained"
    )
    start = measured.steady[0]
    first = measured.options.model
    order = sorted(MODELS, key=lambda model: model != first)
    for axis, model in zip(axes, order, strict=True):
        _dots(axis, measured, model, start)
        _p99(axis, measured, model, start)
        _swaps(axis, measured, start)
        role = "swapping" if model == first else "neighbour"
        axis.set_title(f"{model} ({role})", loc="left", fontsize=10, color=INK)
        axis.set_yscale("log")
        axis.set_ylabel("latency in ms")
        axis.grid(visible=True, which="major", alpha=0.25)
        axis.spines[["top", "right"]].set_visible(False)
    axes[0].legend(loc="upper right", ncols=4, fontsize=9, markerscale=6, framealpha=0.95)
    axes[-1].set_xlabel("seconds")
    axes[-1].set_xlim(0, measured.swaps[1] - start + 1)
    figure.suptitle(
        f"{measured.options.versions} versions of {first} at {measured.rate:.0f} requests/s: "
        f"{int((measured.records.table['failure'] >= 0).sum())} of "
        f"{len(measured.records.table)} requests failed",
        color=INK,
    )
    figure.savefig(target, dpi=120)
    plt.close(figure)


def _dots(axis: Axes, measured: Measured, model: str, start: float) -> None:
    rows = _of(measured, model)
    for index, protocol in enumerate(PROTOCOLS):
        own = rows[rows["protocol"] == index]
        axis.plot(
            own["intended"] - start, own["latency"] * 1000, ".", markersize=1.3, alpha=0.5,
            color=COLOURS[protocol], label=protocol, rasterized=True,
        )  # fmt: skip


def _p99(axis: Axes, measured: Measured, model: str, start: float) -> None:
    rows = _of(measured, model)
    seconds = rows["intended"] - start
    edges = np.arange(0, seconds.max(), WINDOW)
    values = []
    for edge in edges:
        inside = rows["latency"][(seconds >= edge) & (seconds < edge + WINDOW)]
        values.append(np.percentile(inside, 99) * 1000 if len(inside) else np.nan)
    axis.step(edges, values, where="post", color=INK, linewidth=1.2, label=f"p99 of {WINDOW:g} s")


def _swaps(axis: Axes, measured: Measured, start: float) -> None:
    swapped = [
        entry["time"] - start
        for entry in measured.history
        if entry["model"] == measured.options.model and entry["target"] == "READY"
    ]
    for number, moment in enumerate(moment for moment in swapped if moment > 0):
        axis.axvline(
            moment, color="#c23b3b", linewidth=0.7, alpha=0.6, zorder=0,
            label="new version answers" if number == 0 else None,
        )  # fmt: skip


def _of(measured: Measured, model: str) -> Table:
    table = measured.records.table
    rows: Table = table[(table["model"] == MODELS.index(model)) & (table["failure"] < 0)]
    return rows
