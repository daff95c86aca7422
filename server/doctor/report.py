"""Writes what was found: for people, one line after another, and as JSON for programs."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from itertools import groupby

from rich.console import Console
from rich.padding import Padding
from rich.text import Text

from server.doctor.finding import Finding, Grade, worst

_MARKS = {Grade.OK: ("✓", "green"), Grade.WARNING: ("!", "yellow"), Grade.PROBLEM: ("✗", "red")}


def to_json(findings: Sequence[Finding]) -> str:
    """`{"grade": ..., "findings": [...]}`, each finding with all of its fields."""
    document = {"grade": worst(findings), "findings": [asdict(finding) for finding in findings]}
    return json.dumps(document, indent=2)


def print_text(findings: Sequence[Finding], console: Console) -> None:
    """One line per finding under its area, and below it what to do."""
    for area, found in groupby(findings, key=lambda finding: finding.area):
        console.print(Text(area, style="bold"))
        for finding in found:
            _print(finding, console)
    console.print(Text(summary(findings), style="bold"))


def summary(findings: Sequence[Finding]) -> str:
    """How many of which grade, in a sentence."""
    count = Counter(finding.grade for finding in findings)
    if not count[Grade.PROBLEM] and not count[Grade.WARNING]:
        return "all is well"
    return (
        f"{_counted(count[Grade.PROBLEM], 'problem')}, {_counted(count[Grade.WARNING], 'warning')}"
    )


def _print(finding: Finding, console: Console) -> None:
    mark, style = _MARKS[finding.grade]
    # As text: brackets in a reason are no markup.
    line = Text.assemble((mark, style), " ", (finding.name, "cyan"), f": {finding.text}")
    console.print(Padding(line, (0, 0, 0, 2)))
    if finding.advice:
        console.print(Padding(Text(f"→ {finding.advice}"), (0, 0, 0, 4)))


def _counted(number: int, word: str) -> str:
    return f"{number} {word}{'' if number == 1 else 's'}"
