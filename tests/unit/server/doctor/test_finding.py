"""The exit code goes by the worst that was found."""

import io
import json

import pytest
from rich.console import Console

from server.doctor.finding import Finding, Grade, exit_code, worst
from server.doctor.report import print_text, summary, to_json


def of(*grades: Grade) -> list[Finding]:
    return [Finding("area", f"check-{number}", grade, "text [red]") for number, grade in
            enumerate(grades)]  # fmt: skip


@pytest.mark.parametrize(
    ("grades", "code", "strict_code", "words"),
    [
        ((), 0, 0, "all is well"),
        ((Grade.OK,), 0, 0, "all is well"),
        ((Grade.OK, Grade.WARNING), 0, 1, "0 problems, 1 warning"),
        ((Grade.PROBLEM, Grade.WARNING), 2, 2, "1 problem, 1 warning"),
        ((Grade.WARNING, Grade.PROBLEM, Grade.PROBLEM), 2, 2, "2 problems, 1 warning"),
    ],
)
def test_the_exit_code_and_the_summary(grades, code, strict_code, words):
    findings = of(*grades)

    assert exit_code(findings, strict=False) == code
    assert exit_code(findings, strict=True) == strict_code
    assert summary(findings) == words


def test_json_has_every_field():
    finding = Finding("ports", "http-port", Grade.PROBLEM, "taken", "another", {"port": 1})

    document = json.loads(to_json([finding]))

    assert document == {
        "grade": "problem",
        "findings": [
            {"area": "ports", "name": "http-port", "grade": "problem", "text": "taken",
             "advice": "another", "details": {"port": 1}}
        ],
    }  # fmt: skip
    assert worst([finding]) is Grade.PROBLEM


def test_text_groups_by_area_marks_grades_and_takes_no_markup():
    console = Console(width=200, record=True, file=io.StringIO())
    findings = [*of(Grade.OK, Grade.WARNING), Finding("b", "last", Grade.PROBLEM, "no", "do that")]

    print_text(findings, console)

    text = [line.rstrip() for line in console.export_text().splitlines()]
    assert text == [
        "area", "  ✓ check-0: text [red]", "  ! check-1: text [red]",
        "b", "  ✗ last: no", "    → do that", "1 problem, 1 warning",
    ]  # fmt: skip
