"""The report says what was measured, what was not, and what went wrong."""

from __future__ import annotations

import json

import pytest

from loadtests.bench.machine import this_machine
from loadtests.bench.plan import Options
from loadtests.bench.records import BARE, Held, Records, Start
from loadtests.bench.report import to_json, to_markdown
from tests.unit.loadtests.bench.made import sample

RECORDS = Records(
    samples=[
        sample(subject=BARE, variant="", cpu=0.1),
        sample(cpu=0.15),
        sample(group="batching", variant="batching on"),
    ],
    starts=[Start("digits-onnx", "onnx", "python", 1.25, 0.9)],
    memory=[Held("small", "digits-onnx", "python", 100 * 2**20, 150 * 2**20)],
    problems=["wrk is missing"],
    interrupted=True,
)
MACHINE = this_machine()


def test_all_parts_are_there():
    text = to_markdown(RECORDS, MACHINE, Options())

    for line in (
        "**Interrupted",
        "- wrk is missing",
        "server CPU | ≤ 1.5 x bare uvicorn | 1.50 | reached |",
        "| digits-onnx | python | REST binary | 64 | 500 | 500 |",
        "| digits-onnx | batching on | REST binary | 64 |",
        "| digits-onnx | onnx | python | 1.25 | 0.90 | 1 |",
        "| digits-onnx | python | 100 | 150 |",
    ):
        assert line in text


def test_rows_have_as_many_cells_as_their_heads():
    width = 0
    for line in to_markdown(RECORDS, MACHINE, Options()).splitlines():
        if not line.startswith("|"):
            width = 0
        elif width:
            assert line.count("|") == width, line
        else:
            width = line.count("|")


def test_nothing_measured_is_a_report_too():
    text = to_markdown(Records(), MACHINE, Options())

    assert text.count("not measured") >= 10


def test_json_holds_the_samples_and_the_verdicts():
    document = json.loads(to_json(RECORDS, MACHINE, Options()))

    assert len(document["samples"]) == 3
    assert document["bars"][0]["verdict"] == "reached"
    assert document["figures"][0]["cpu_over_bare"] == pytest.approx(1.5)
