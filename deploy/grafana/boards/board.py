"""One dashboard of rows of panels, as the JSON that Grafana imports."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field

from grafana_foundation_sdk.builders.dashboard import (
    Dashboard,
    DashboardLink,
    DatasourceVariable,
    QueryVariable,
    Row,
)
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import dashboard as model

from deploy.grafana.boards.panels import SOURCE, Panel

TAG = "underway"


@dataclass(frozen=True, slots=True)
class Choice:
    """A variable: the values of a label. Any of them may be chosen, or one unless `several`."""

    name: str
    series: str
    several: bool = True


@dataclass(frozen=True, slots=True)
class Marks:
    """Vertical lines where an expression has a value; `text` may name labels."""

    name: str
    expression: str
    text: str
    color: str


@dataclass(frozen=True, slots=True)
class Board:
    """A dashboard. `uid` is its address in Grafana, and the name of its file."""

    uid: str
    title: str
    about: str
    choices: Sequence[Choice]
    rows: Sequence[tuple[str, Sequence[Panel]]]
    marks: Sequence[Marks] = field(default_factory=tuple)

    def text(self) -> str:
        """Its JSON, the same each time."""
        made = json.loads(json.dumps(self._built(), cls=JSONEncoder))
        del made["style"]  # light or dark is for who looks to say
        # Grafana's own builder does not know the texts of marks.
        made["annotations"] = {"list": [_mark(one) for one in self.marks]}
        for number, panel in enumerate(made["panels"], start=1):
            panel["id"] = number
        return json.dumps(made, indent=1, sort_keys=True) + "\n"

    def _built(self) -> model.Dashboard:
        board = (
            Dashboard(self.title)
            .uid(self.uid)
            .description(self.about)
            .tags([TAG])
            .timezone("browser")
            .time("now-1h", "now")
            .refresh("30s")
            .tooltip(model.DashboardCursorSync.CROSSHAIR)
            .editable()
            .link(
                DashboardLink("Underway")
                .type(model.DashboardLinkType.DASHBOARDS)
                .tags([TAG])
                .as_dropdown(True)
                .include_vars(True)
                .keep_time(True)
            )
            .with_variable(DatasourceVariable("datasource").label("Data source").type("prometheus"))
        )
        for choice in self.choices:
            board.with_variable(_variable(choice))
        for title, panels in self.rows:
            board.with_row(Row(title))
            for panel in panels:
                board.with_panel(panel)
        return board.build()


def _variable(choice: Choice) -> Builder[model.VariableModel]:
    made = (
        QueryVariable(choice.name)
        .label(choice.name.capitalize())
        .datasource(SOURCE)
        .query({"query": f"label_values({choice.series}, {choice.name})", "refId": choice.name})
        .refresh(model.VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(model.VariableSort.ALPHABETICAL_ASC)
    )
    if choice.several:
        every = model.VariableOption(text=["All"], value=["$__all"], selected=True)
        made.multi(True).include_all(True).all_value(".*").current(every)
    return made


def _mark(marks: Marks) -> dict[str, object]:
    return {
        "name": marks.name,
        "datasource": {"type": "prometheus", "uid": "${datasource}"},
        "enable": True,
        "expr": marks.expression,
        "iconColor": marks.color,
        "textFormat": marks.text,
        "titleFormat": marks.name,
    }
