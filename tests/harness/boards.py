"""The committed dashboards, read as Grafana would read them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.harness.server_process import ROOT

FOLDER = ROOT / "deploy/grafana/dashboards"
FILES = sorted(FOLDER.glob("*.json"))
Board = dict[str, Any]
Panel = dict[str, Any]


def board(path: Path) -> Board:
    """One file."""
    return dict(json.loads(path.read_text()))


def panels(one: Board) -> list[Panel]:
    """All panels of a dashboard but the headings of its rows."""
    return [panel for panel in one["panels"] if panel["type"] != "row"]


def expressions(one: Board) -> Iterator[tuple[str, str]]:
    """Every expression of a dashboard, with where it stands."""
    for panel in panels(one):
        for target in panel["targets"]:
            yield f"{one['uid']}: {panel['title']} {target['refId']}", target["expr"]
    for mark in one["annotations"]["list"]:
        yield f"{one['uid']}: mark {mark['name']}", mark["expr"]
