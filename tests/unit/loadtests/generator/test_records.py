"""What is recorded of every request, and that it comes back from its file."""

from __future__ import annotations

import numpy as np
import pytest

from loadtests.generator import records
from loadtests.generator.answer import Answer, stages_of
from loadtests.generator.plan import Arrival
from loadtests.generator.records import Effort, Recorder


def recorded(*answers: Answer) -> records.Records:
    recorder = Recorder()
    for number, answer in enumerate(answers):
        recorder.add(Arrival(100.0, number), answer, behind=0.25, ended=103.0)
    return recorder.records(Effort(1.5, 3.0))


def test_latency_counts_from_the_moment_a_request_was_due():
    row = recorded(Answer(started=101.0, sent=5001.0, answered=5003.0, version=7)).table[0]

    assert (row["latency"], row["late"], row["behind"]) == (3.0, 1.0, 0.25)
    assert (row["intended"], row["sent"], row["answered"]) == (5000.0, 5001.0, 5003.0)
    assert (row["version"], row["failure"]) == (7, -1)


def test_records_come_back_from_their_file(tmp_path):
    found = recorded(
        Answer(100, 100, 101, stages={"queue": 1.5}),
        Answer(100, 100, 101, failure="503 gone"),
        Answer(100, 100, 101, stages={"compute": 4.0, "queue": 0.5}),
    )
    found.save(tmp_path / "records.npz")
    again = records.load(tmp_path / "records.npz")

    assert (again.table == found.table).all()
    assert (again.failures, again.effort) == (("503 gone",), Effort(1.5, 3.0))
    assert again.stage_names == ("queue", "compute")
    np.testing.assert_array_equal(again.stages, [[1.5, np.nan], [np.nan] * 2, [0.5, 4.0]])


def test_failures_of_ever_new_words_are_bounded():
    found = recorded(*(Answer(1, 1, 1, failure=f"at {number}") for number in range(3000)))

    assert len(found.failures) == records.MAX_FAILURES
    assert found.failures[-1] == "other failures"
    assert found.table["failure"].min() >= 0


@pytest.mark.parametrize(
    ("header", "stages"),
    [
        ("queue;dur=1.5, compute;dur=20", {"queue": 1.5, "compute": 20.0}),
        ('cache;desc="a hit";dur=0.2', {"cache": 0.2}),
        ("miss", {}),
        ("queue;dur=1.2.3", {}),
        ("", {}),
    ],
)
def test_durations_are_read_from_server_timing(header, stages):
    assert stages_of(header) == stages
