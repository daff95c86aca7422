"""The dashboards are fresh, and are what Grafana needs them to be."""

from __future__ import annotations

import itertools
import json
import re
from pathlib import Path

import pytest
import yaml
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import Dashboard

from deploy.grafana.boards.__main__ import main, stale
from tests.harness.boards import FILES, board, expressions, panels
from tests.unit.deploy.test_alert_rules import MONITORING, RUNBOOK, unknown_metrics

ROOT = Path(__file__).parents[3]
BOARDS = [board(path) for path in FILES]
EACH = pytest.mark.parametrize("one", BOARDS, ids=lambda one: one["uid"])


def test_what_is_committed_is_what_is_generated():
    assert stale() == []
    assert main(["--check"]) == 0


def test_a_file_that_differs_is_told(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("deploy.grafana.boards.__main__.FOLDER", tmp_path)
    assert main([]) == 0
    (tmp_path / "underway-swaps.json").write_text("{}")
    (tmp_path / "other.json").write_text("{}")

    assert main(["--check"]) == 1
    assert "other.json, underway-swaps.json; run make dashboards" in capsys.readouterr().err


def test_addresses_are_unique_and_the_names_of_the_files():
    assert [one["uid"] for one in BOARDS] == [path.stem for path in FILES]
    assert len({one["title"] for one in BOARDS}) == len(BOARDS)


@EACH
def test_it_reads_as_grafanas_own_model_and_back(one):
    read = json.loads(json.dumps(Dashboard.from_json(one), cls=JSONEncoder))

    for key in ("panels", "templating", "schemaVersion", "uid", "links"):
        assert read[key] == one[key], key


@EACH
def test_it_has_a_form_that_grafana_knows(one):
    assert one["schemaVersion"] >= 36
    assert one.get("id") is None  # else importing would replace another dashboard
    assert one["tags"] == ["underway"]
    assert one["time"]["from"].startswith("now-")


@EACH
def test_panels_have_numbers_of_their_own_and_do_not_overlap(one):
    numbers = [panel["id"] for panel in one["panels"]]
    assert len(set(numbers)) == len(numbers)

    cells: set[tuple[int, int]] = set()
    for panel in one["panels"]:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        covered = set(
            itertools.product(
                range(place["x"], place["x"] + place["w"]),
                range(place["y"], place["y"] + place["h"]),
            )
        )
        assert not covered & cells, panel["title"]
        cells |= covered


@EACH
def test_rows_are_filled_from_side_to_side(one):
    widths: dict[int, int] = {}
    for panel in panels(one):
        if "repeat" not in panel:
            at = panel["gridPos"]["y"]
            widths[at] = widths.get(at, 0) + panel["gridPos"]["w"]

    assert set(widths.values()) == {24}


@EACH
def test_every_panel_has_a_title_a_unit_and_the_chosen_data_source(one):
    chosen = {"type": "prometheus", "uid": "${datasource}"}
    for panel in panels(one):
        assert panel["title"]
        assert panel["fieldConfig"]["defaults"]["unit"]
        assert panel["datasource"] == chosen
        assert panel["targets"]
        assert all(target["datasource"] == chosen for target in panel["targets"])
        references = [target["refId"] for target in panel["targets"]]
        assert len(set(references)) == len(references)
    assert all(mark["datasource"] == chosen for mark in one["annotations"]["list"])


@EACH
def test_variables_are_asked_for_before_they_are_used_and_used(one):
    variables = one["templating"]["list"]
    names = [variable["name"] for variable in variables]
    queries = [variable["query"] for variable in variables]
    everything = " ".join(expression for _, expression in expressions(one))

    assert names[0] == "datasource"
    assert variables[0]["type"] == "datasource"
    for place, query in enumerate(queries[1:], start=1):
        assert all(f"${name}" not in query["query"] for name in names[place:])
        assert unknown_metrics(query["query"]) == set()
        assert variables[place]["datasource"]["uid"] == "${datasource}"
        assert f'"${names[place]}"' in everything


@EACH
def test_a_query_is_made_of_metrics_that_there_are(one):
    for place, expression in expressions(one):
        assert unknown_metrics(expression) == set(), place
        assert "[5m]" not in expression, place  # a window follows what is shown


def test_what_the_pages_name_of_dashboards_is_there():
    titles = {item["title"] for one in BOARDS for item in (one, *one["panels"])}
    elsewhere = {"Targets", "Service discovery", "UnderwayDown", "UnderwayMissing"}
    text = " ".join((RUNBOOK.read_text("utf-8") + MONITORING.read_text("utf-8")).split())

    named = set(re.findall(r"(?<!\*)\*([A-Z][\w ,:/-]+)\*(?!\*)", text)) - elsewhere

    assert len(named) > 8
    assert named - titles == set()


def test_every_dashboard_is_described():
    text = MONITORING.read_text("utf-8")

    assert [path.name for path in FILES if f"`{path.name}`" not in text] == []


@pytest.mark.parametrize("path", sorted((ROOT / "deploy/grafana/provisioning").rglob("*.yaml")))
def test_provisioning_finds_what_it_names(path):
    document = yaml.safe_load(path.read_text())

    assert document["apiVersion"] == 1
    for provider in document.get("providers", ()):
        assert f"`{provider['options']['path']}`" in MONITORING.read_text("utf-8")
    for source in document.get("datasources", ()):
        assert source["type"] == "prometheus"
        assert source["isDefault"]
