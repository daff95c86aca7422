"""What one check found: how good it is, in words, and what to do next."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Grade(StrEnum):
    """In the order of how bad it is."""

    OK = "ok"
    WARNING = "warning"
    PROBLEM = "problem"


@dataclass(frozen=True, slots=True)
class Finding:
    """`area` groups what belongs together, such as `machine`; `name` is one check in it.

    `advice` is what to do next, "" where nothing is. `details` are for programs, and fit into JSON.
    """

    area: str
    name: str
    grade: Grade
    text: str
    advice: str = ""
    details: Mapping[str, object] = field(default_factory=dict)


def worst(findings: Iterable[Finding]) -> Grade:
    """The worst grade of all; OK where there is none."""
    order = list(Grade)
    return max((finding.grade for finding in findings), key=order.index, default=Grade.OK)


def exit_code(findings: Iterable[Finding], *, strict: bool) -> int:
    """0 where all is well, 1 for warnings where they count (`strict`), 2 for problems."""
    grade = worst(findings)
    if grade is Grade.PROBLEM:
        return 2
    return int(strict and grade is Grade.WARNING)
