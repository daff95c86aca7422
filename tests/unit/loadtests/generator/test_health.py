"""A generator that was the limit says so, and why; one that was not says that."""

from __future__ import annotations

import numpy as np
import pytest

from loadtests.generator.health import Health, health_of, worst
from loadtests.generator.records import ROW, Effort, Records


@pytest.mark.parametrize(
    ("health", "words"),
    [
        (Health(0.5, 0.0), []),
        (Health(0.9, 0.01), []),
        (Health(0.97, 0.0), ["CPU was used to 97%"]),
        (Health(0.1, 0.02), ["2.0% of the requests"]),
        (Health(1.0, 0.5), ["CPU was used to 100%", "50.0% of the requests"]),
    ],
)
def test_what_it_was_short_of_is_said(health, words):
    assert len(health.limits) == len(words)
    assert all(word in said for word, said in zip(words, health.limits, strict=True))
    assert str(health).startswith(
        "The generator itself was the limit" if words else "The generator was not the limit"
    )


def test_only_its_own_lateness_counts():
    table = np.zeros(100, ROW)
    table["late"] = 5.0  # all waited for a place: the server's doing
    table["behind"][:3] = 0.5

    health = health_of(Records(table, (), Effort(cpu_seconds=1.0, wall_seconds=4.0)))

    assert health == Health(cpu_share=0.25, late_share=0.03)


def test_nothing_sent_is_nothing_late():
    assert health_of(Records(np.zeros(0, ROW), (), Effort(0, 0))) == Health(0, 0)


def test_several_are_as_good_as_the_worst_in_each_respect():
    assert worst([Health(0.1, 0.5), Health(0.8, 0.0)]) == Health(0.8, 0.5)
    assert worst([]) == Health(0, 0)
