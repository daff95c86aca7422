"""The example in docs/deploy/sizing.md runs on the comparison beside it, as it stands there."""

from __future__ import annotations

import contextlib
import io
import re
from pathlib import Path

import yaml

from loadtests.compare.result import read_result
from loadtests.compare.spec import read_spec
from loadtests.compare.verdict import holds

FOLDER = Path(__file__).parents[2] / "docs/deploy"
PAGE = (FOLDER / "sizing.md").read_text("utf-8")
RESULT = FOLDER / "sizing/result.json"
(CODE,) = re.findall(r"^```python\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
(PRINTED,) = re.findall(r"^```text\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)


def test_the_example_prints_what_stands_below_it():
    said = io.StringIO()
    assert '".compare/result.json"' in CODE
    with contextlib.redirect_stdout(said):
        exec(CODE.replace('".compare/result.json"', repr(str(RESULT))), {})

    assert said.getvalue() == PRINTED


def test_it_takes_the_rate_that_the_report_calls_held():
    result = read_result(RESULT)
    held = max(rate for rate in result.rates if holds(result, "pod", rate))

    assert f"{held:.0f}/s" in PRINTED


def test_the_spec_beside_it_is_the_one_that_was_measured():
    spec, text = read_spec(FOLDER / "sizing/spec.yaml")

    assert read_result(RESULT).spec == text
    assert [candidate.name for candidate in spec.candidates] == ["pod"]


def test_the_values_that_come_of_it_are_the_charts(tmp_path):
    (block,) = re.findall(r"^```yaml\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
    values = yaml.safe_load(block)
    defaults = yaml.safe_load((FOLDER.parents[1] / "deploy/helm/underway/values.yaml").read_text())

    assert values["controller"]["replicas"] == int(PRINTED.split()[-2])
    assert [
        f"{part}.{key}"
        for part, settings in values.items()
        for key in settings
        if part != "server" and key not in defaults[part]
    ] == []
