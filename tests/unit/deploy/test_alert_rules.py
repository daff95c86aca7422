"""Every alert is tested, described and made of metrics that there are."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

import server.cli
from tests.unit.test_documentation import anchors, indented, metric_rows, rows

ROOT = Path(__file__).parents[3]
FOLDER = ROOT / "deploy/prometheus"
RULES = [
    rule
    for group in yaml.safe_load((FOLDER / "underway.rules.yaml").read_text())["groups"]
    for rule in group["rules"]
]
ALERTS = [rule for rule in RULES if "alert" in rule]
RECORDED = {rule["record"] for rule in RULES if "record" in rule}
CASES = [
    case
    for path in (FOLDER / "tests").glob("*.yaml")
    for test in yaml.safe_load(path.read_text())["tests"]
    for case in test.get("alert_rule_test", ())
]
RUNBOOK = ROOT / "docs/runbook.md"
MONITORING = ROOT / "docs/monitoring.md"

METRIC = re.compile(r"\b(?:underway|process)_\w+")
PARTS = re.compile(r"_(?:bucket|sum|count)$")


def unknown_metrics(expression: str) -> set[str]:
    """The metrics of an expression that docs/metrics.md does not list."""
    listed = {cells[0]: cells[1] for cells in metric_rows()}
    histograms = {name for name, kind in listed.items() if kind == "histogram"}
    named = set(METRIC.findall(expression))
    return {one for one in named - listed.keys() if PARTS.sub("", one) not in histograms}


def named(alert: dict[str, Any]) -> str:
    return str(alert["alert"])


@pytest.mark.parametrize("alert", ALERTS, ids=named)
def test_an_alert_says_how_bad_it_is_what_it_is_and_what_to_do(alert):
    texts = alert["annotations"]

    assert alert["alert"].startswith("Underway")
    assert alert["labels"]["severity"] in ("critical", "warning")
    assert texts.keys() == {"summary", "description", "runbook_url"}
    assert texts["description"].endswith(".")
    path, _, anchor = texts["runbook_url"].partition("#")
    assert (ROOT / path).samefile(RUNBOOK)
    assert anchor == alert["alert"].lower()
    assert anchor in anchors(RUNBOOK)


@pytest.mark.parametrize("alert", ALERTS, ids=named)
def test_an_alert_has_a_unit_test_in_which_it_fires_and_one_in_which_it_does_not(alert):
    fires = {bool(case.get("exp_alerts")) for case in CASES if case["alertname"] == alert["alert"]}

    assert fires == {True, False}


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.get("alert") or rule["record"])
def test_a_rule_is_made_of_metrics_that_there_are(rule):
    assert unknown_metrics(rule["expr"]) == set()
    assert set(re.findall(r"\bunderway:[\w:]+", rule["expr"])) <= RECORDED


def test_what_is_recorded_is_used():
    used = "".join(rule["expr"] for rule in RULES)

    assert [name for name in RECORDED if name not in used] == []


def test_the_runbook_has_a_section_for_each_alert_with_all_its_parts():
    sections = RUNBOOK.read_text("utf-8").split("\n## ")[1:]

    assert {text.split("\n")[0] for text in sections} == {alert["alert"] for alert in ALERTS}
    for text in sections:
        assert [word for word in ("Means", "Look", "Do") if f"**{word}:**" not in text] == []


def test_the_page_lists_the_alerts_with_their_severity():
    table = {
        cells[0].split("`")[1]: cells[1]
        for cells in rows(MONITORING.read_text("utf-8"), 3)
        if cells[0].startswith("[")
    }

    assert table == {alert["alert"]: alert["labels"]["severity"] for alert in ALERTS}


def test_the_commands_of_the_runbook_exist():
    text = RUNBOOK.read_text("utf-8")
    commands = [line.split("#")[0].split() for block in indented(text) for line in
                block.splitlines() if line.startswith("underway ")]  # fmt: skip
    models = server.cli.main.get_command(click.Context(server.cli.main), "models")
    assert isinstance(models, click.Group)

    assert len(commands) > 5
    for _, group, *rest in commands:
        assert group == "models"
        assert not rest or rest[0] in models.commands


def test_what_the_log_is_said_to_say_it_says():
    text = " ".join(RUNBOOK.read_text("utf-8").split())
    source = "".join(path.read_text() for path in (ROOT / "server").rglob("*.py"))

    said = re.findall(r"(?:log says|before that|before it died as) `([^`]+)`", text)
    assert len(said) >= 6
    assert [one for one in said if f'"{one}"' not in source] == []
