"""The kinds of panels that the dashboards are made of, so that all of them look alike.

A panel is 24 units wide at most; units of values are Grafana's names ("s", "bytes", "reqps").
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from string import ascii_uppercase
from typing import Protocol, Self, TypeVar

from grafana_foundation_sdk.builders import (
    bargauge,
    common,
    heatmap,
    prometheus,
    stat,
    statetimeline,
    table,
    timeseries,
)
from grafana_foundation_sdk.builders.dashboard import ThresholdsConfig
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models import common as looks
from grafana_foundation_sdk.models import dashboard as model
from grafana_foundation_sdk.models.heatmap import HeatmapColorMode
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

Panel = Builder[model.Panel]
Query = tuple[str, str]
"""An expression, and the legend of its series."""

SOURCE = model.DataSourceRef(type_val="prometheus", uid="${datasource}")
TALL, LOW = 8, 4
RUNTIME_COLORS = {"torchscript": "orange", "savedmodel": "blue", "onnx": "green", "echo": "gray"}
"""A runtime has the same color in every panel that shows several of them."""

AMBER_FROM, RED_FROM = 0.7, 0.9
"""Shares of a limit."""


def lines(
    title: str,
    unit: str,
    *queries: Query,
    about: str = "",
    width: int = 8,
    stacked: bool = False,
    by_runtime: bool = False,
    top: float | None = None,
    exemplars: bool = False,
) -> timeseries.Panel:
    """Values over time. `top` is the largest value there can be; `exemplars` are single requests
    that have a trace, as points.
    """
    panel = (
        _begun(timeseries.Panel(), title, unit, about, width)
        .min(0)
        .line_width(1)
        .fill_opacity(40 if stacked else 8)
        .show_points(looks.VisibilityMode.NEVER)
        .tooltip(
            common.VizTooltipOptions()
            .mode(looks.TooltipDisplayMode.MULTI)
            .sort(looks.SortOrder.DESCENDING)
        )
        .legend(
            common.VizLegendOptions()
            .display_mode(looks.LegendDisplayMode.LIST)
            .placement(looks.LegendPlacement.BOTTOM)
            .show_legend(True)
        )
    )
    if stacked:
        panel.stacking(common.StackingConfig().mode(looks.StackingMode.NORMAL).group("A"))
    if top is not None:
        panel.max(top)
    if by_runtime:
        for runtime, color in RUNTIME_COLORS.items():
            fixed = {"mode": "fixed", "fixedColor": color}
            panel.override_by_regexp(f"^{runtime}\\b.*", [model.DynamicConfigValue("color", fixed)])
    for ref, query in zip(ascii_uppercase, queries, strict=False):
        panel.with_target(_range(ref, query).exemplar(exemplars))
    return panel


def number(
    title: str,
    unit: str,
    expression: str,
    *,
    about: str = "",
    width: int = 4,
    steps: Mapping[float, str] | None = None,
) -> stat.Panel:
    """One value as it is now, with its past behind it. `steps` are colors from values on."""
    return (
        _begun(stat.Panel(), title, unit, about, width, LOW)
        .thresholds(_thresholds(steps or {}))
        .color_mode(looks.BigValueColorMode.VALUE)
        .graph_mode(looks.BigValueGraphMode.AREA)
        .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
        .with_target(_range("A", (expression, "")))
    )


def heat(title: str, unit: str, expression: str, *, about: str = "", width: int = 12) -> Panel:
    """How a histogram's buckets fill over time; the expression keeps the label `le`."""
    query = _range("A", (expression, "{{le}}")).format(PromQueryFormat.HEATMAP)
    return (
        _begun(heatmap.Panel(), title, "short", about, width)
        .calculate(False)
        .y_axis(heatmap.YAxisConfig().unit(unit))
        .color(heatmap.HeatmapColorOptions().mode(HeatmapColorMode.SCHEME).scheme("Oranges"))
        .with_target(query)
    )


def bars(title: str, unit: str, *queries: Query, about: str = "", width: int = 8) -> bargauge.Panel:
    """One bar per series, of the whole time that is shown."""
    panel = (
        _begun(bargauge.Panel(), title, unit, about, width)
        .min(0)
        .thresholds(_thresholds({}, "blue"))
        .orientation(looks.VizOrientation.HORIZONTAL)
        .display_mode(looks.BarGaugeDisplayMode.GRADIENT)
        .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
    )
    for ref, query in zip(ascii_uppercase, queries, strict=False):
        panel.with_target(_instant(ref, query))
    return panel


def grid(
    title: str,
    columns: Sequence[tuple[str, str, str]],
    labels: Sequence[str],
    *,
    about: str = "",
    width: int = 24,
) -> table.Panel:
    """One line per set of `labels`, one column per (heading, unit, expression)."""
    refs = ascii_uppercase[: len(columns)]
    names = {f"Value #{ref}": heading for ref, (heading, _, _) in zip(refs, columns, strict=True)}
    order = {name: place for place, name in enumerate((*labels, *names))}
    panel = (
        _begun(table.Panel(), title, "short", about, width)
        .with_transformation(model.DataTransformerConfig("merge", options={}))
        .with_transformation(
            model.DataTransformerConfig(
                "organize",
                options={
                    "excludeByName": {"Time": True},
                    "indexByName": order,
                    "renameByName": names,
                },
            )
        )
    )
    for ref, (heading, unit, expression) in zip(refs, columns, strict=True):
        panel.with_target(_instant(ref, (expression, "")).format(PromQueryFormat.TABLE))
        panel.override_by_name(heading, [model.DynamicConfigValue("unit", unit)])
    return panel


def states(
    title: str, query: Query, names: Mapping[int, tuple[str, str]], *, about: str = ""
) -> statetimeline.Panel:
    """A strip per series that says in which state it was when; `names` are (text, color)."""
    options = {
        str(value): model.ValueMappingResult(text=text, color=color, index=value)
        for value, (text, color) in names.items()
    }
    return (
        _begun(statetimeline.Panel(), title, "short", about, 24)
        .mappings([model.ValueMap(options)])
        .show_value(looks.VisibilityMode.AUTO)
        .merge_values(True)
        .row_height(0.8)
        .with_target(_range("A", query))
    )


def of_limit() -> dict[float, str]:
    """The colors of a share of a limit."""
    return {AMBER_FROM: "orange", RED_FROM: "red"}


class _Built(Protocol):
    """What the builders of all kinds of panels have in common."""

    def title(self, title: str) -> Self: ...
    def description(self, description: str) -> Self: ...
    def datasource(self, datasource: model.DataSourceRef) -> Self: ...
    def span(self, w: int) -> Self: ...
    def height(self, h: int) -> Self: ...
    def unit(self, unit: str) -> Self: ...


Kind = TypeVar("Kind", bound=_Built)


def _begun(panel: Kind, title: str, unit: str, about: str, width: int, height: int = TALL) -> Kind:
    panel.title(title).description(about).datasource(SOURCE)
    return panel.span(width).height(height).unit(unit)


def _range(ref: str, query: Query) -> prometheus.Dataquery:
    expression, legend = query
    return (
        prometheus.Dataquery()
        .expr(expression)
        .legend_format(legend or "__auto")
        .ref_id(ref)
        .datasource(SOURCE)
        .range()
    )


def _instant(ref: str, query: Query) -> prometheus.Dataquery:
    return _range(ref, query).instant()


def _thresholds(steps: Mapping[float, str], else_color: str = "text") -> ThresholdsConfig:
    first = model.Threshold(value=None, color="green" if steps else else_color)
    rest = [model.Threshold(value=value, color=color) for value, color in steps.items()]
    return ThresholdsConfig().mode(model.ThresholdsMode.ABSOLUTE).steps([first, *rest])
