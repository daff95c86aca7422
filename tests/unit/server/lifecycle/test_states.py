"""The table of states: each is reached, leads to the end, and nothing else is legal."""

from __future__ import annotations

import pytest

from server.lifecycle.states import LEGAL, IllegalMove, State, move

USUAL_LIFE = ("NEW", "LOADING", "WARMING", "READY", "DRAINING", "UNLOADING", "ENDED")


def reachable_from(start: State) -> set[State]:
    found, pending = {start}, [start]
    while pending:
        for state in LEGAL[pending.pop()] - found:
            found.add(state)
            pending.append(state)
    return found


def test_the_table_knows_every_state():
    assert LEGAL.keys() == set(State)


def test_every_state_is_reached_from_new():
    assert reachable_from(State.NEW) == set(State)


@pytest.mark.parametrize("state", State)
def test_no_state_is_a_trap(state):
    assert State.ENDED in reachable_from(state)


def test_what_has_ended_stays_so():
    assert LEGAL[State.ENDED] == frozenset()


def test_only_a_failed_load_begins_anew():
    assert [state for state in State if State.NEW in LEGAL[state]] == [State.FAILED]


def test_a_load_that_is_under_way_can_fail_or_be_abandoned():
    for state in (State.LOADING, State.WARMING):
        assert {State.FAILED, State.UNLOADING} <= LEGAL[state]


@pytest.mark.parametrize("state", State)
def test_no_version_moves_to_where_it_is(state):
    assert state not in LEGAL[state]


@pytest.mark.parametrize(
    ("current", "target"), [(here, there) for here in State for there in State]
)
def test_a_move_is_made_if_the_table_has_it_and_refused_otherwise(current, target):
    if target in LEGAL[current]:
        assert move(current, target) is target
    else:
        with pytest.raises(IllegalMove, match=r"This is a bug\.$"):
            move(current, target)


def test_the_usual_life_is_legal():
    state = State.NEW
    for name in USUAL_LIFE[1:]:
        state = move(state, State(name))

    assert state is State.ENDED


@pytest.mark.parametrize("state", [State.NEW, State.LOADING, State.WARMING, State.FAILED])
def test_only_a_version_that_was_ready_drains(state):
    assert State.DRAINING not in LEGAL[state]


def test_a_version_stops_serving_only_by_draining():
    assert LEGAL[State.READY] == {State.DRAINING}
