"""Prometheus' own tool accepts the configuration and the rules, and runs the rules' unit tests."""

from __future__ import annotations

import subprocess

import pytest

from tests.harness.prometheus import DEPLOYED, PROMTOOL, RULES
from tests.harness.server_process import ROOT

pytestmark = pytest.mark.skipif(
    not PROMTOOL.exists(), reason="promtool is not there; `make test` fetches it"
)
COMPOSE = ROOT / "deploy/compose/prometheus.yaml"
TESTS = sorted((DEPLOYED / "tests").glob("*.yaml"))


def promtool(*arguments: object) -> str:
    done = subprocess.run(
        [str(PROMTOOL), *map(str, arguments)],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_configuration_and_the_rules_are_valid():
    assert "1 rule files found" in promtool("check", "config", DEPLOYED / "prometheus.yaml")
    assert "rules found" in promtool("check", "rules", "--lint=all", "--lint-fatal", RULES)


def test_the_configuration_in_compose_is_valid_where_it_is_mounted(tmp_path):
    for source, name in ((COMPOSE, "prometheus.yml"), (RULES, "underway.rules.yaml")):
        (tmp_path / name).write_bytes(source.read_bytes())

    assert "1 rule files found" in promtool("check", "config", tmp_path / "prometheus.yml")


@pytest.mark.parametrize("path", TESTS, ids=lambda path: path.stem)
def test_alerts_fire_when_they_should_and_only_then(path):
    assert "SUCCESS" in promtool("test", "rules", path)
