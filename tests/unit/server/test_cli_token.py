"""`underway token` on the command line."""

from __future__ import annotations

import yaml
from click.testing import CliRunner, Result

from server.access.credentials import credentials
from server.access.file import rules_of
from server.access.rules import Right, admit
from server.cli import main


def made(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["token", *arguments])


def test_the_token_fits_the_entry_it_comes_with():
    result = made("shop", "--may", "infer", "--may", "metrics")
    assert result.exit_code == 0
    lines = [line for line in result.stderr.splitlines() if line.startswith("  ")]
    rules = rules_of({"tokens": yaml.safe_load("\n".join(lines))})
    shown = credentials(f"Bearer {result.stdout.strip()}", basic=False)
    for right in (Right.INFER, Right.METRICS):
        admit(rules, frozenset({right}), shown)
    assert result.stdout.strip() not in result.stderr


def test_unless_told_otherwise_it_is_for_inference():
    assert "may: [infer]" in made("shop").stderr


def test_no_two_are_alike():
    assert made("shop").stdout != made("shop").stdout


def test_a_name_that_the_file_would_not_take_is_refused():
    result = made("a shop")
    assert result.exit_code == 2
    assert "NAME: expected 1 to 64" in result.stderr


def test_a_right_that_is_none_is_refused_with_those_there_are():
    result = made("shop", "--may", "all")
    assert result.exit_code == 2
    assert "operate" in result.stderr
