"""The history: a bounded log whose entries are also counted and logged."""

from __future__ import annotations

import pytest
from structlog.testing import capture_logs

from server.lifecycle.history import History, Transition
from server.lifecycle.states import State


class Meter:
    """Takes note of what is counted."""

    def __init__(self):
        self.seen = []

    def transition(self, model, version, source, target, seconds, kind=""):
        self.seen.append((model, version, source, target, seconds))


def entry(target=State.READY, *, model="m", version=1, source=State.WARMING, reason=""):
    return Transition(7.0, model, version, source, target, 0.25, reason, "api")


def versions(entries):
    return [one.version for one in entries]


@pytest.fixture
def meter():
    return Meter()


def test_entries_come_oldest_first(meter):
    history = History(meter)
    for version in (1, 2, 3):
        history.record(entry(version=version), {})

    assert versions(history.entries()) == [1, 2, 3]


def test_a_full_log_loses_its_oldest_entries(meter):
    history = History(meter, capacity=3)
    for version in range(1, 6):
        history.record(entry(version=version), {})

    assert versions(history.entries()) == [3, 4, 5]
    assert len(meter.seen) == 5


def test_one_models_entries_are_found_by_its_name(meter):
    history = History(meter)
    for model in ("a", "b", "a"):
        history.record(entry(model=model), {})

    assert [one.model for one in history.entries("a")] == ["a", "a"]
    assert history.entries("c") == []


@pytest.mark.parametrize(("limit", "expected"), [(0, []), (1, [3]), (2, [2, 3]), (99, [1, 2, 3])])
def test_a_limit_keeps_the_newest(meter, limit, expected):
    history = History(meter)
    for version in (1, 2, 3):
        history.record(entry(version=version), {})
        history.record(entry(version=version, model="other"), {})

    assert versions(history.entries("m", limit)) == expected


def test_a_transition_is_counted_with_the_time_spent_before_it(meter):
    History(meter).record(entry(), {})

    assert meter.seen == [("m", 1, "WARMING", "READY", 0.25)]


@pytest.mark.parametrize(
    ("target", "event", "level"),
    [
        (State.LOADING, "loading", "info"),
        (State.READY, "ready", "info"),
        (State.DRAINING, "draining", "info"),
        (State.ENDED, "unloaded", "info"),
        (State.FAILED, "failed to load", "error"),
    ],
)
def test_a_transition_that_matters_is_logged_with_its_cause(meter, target, event, level):
    with capture_logs() as logs:
        History(meter).record(entry(target), {"device": "cpu"})

    assert logs == [
        {"event": event, "log_level": level, "model": "m", "version": 1, "cause": "api",
         "device": "cpu"},
    ]  # fmt: skip


def test_the_reason_of_a_failure_is_logged(meter):
    with capture_logs() as logs:
        History(meter).record(entry(State.FAILED, reason="the weights are torn"), {})

    assert logs[0]["reason"] == "the weights are torn"


@pytest.mark.parametrize("target", [State.NEW, State.WARMING, State.UNLOADING])
def test_a_step_in_between_is_kept_but_not_logged(meter, target):
    history = History(meter)
    with capture_logs() as logs:
        history.record(entry(target), {})

    assert logs == []
    assert len(history.entries()) == 1
