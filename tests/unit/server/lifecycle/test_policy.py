"""What is done next for one model: availability first."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.lifecycle.policy import Load, Snapshot, Unload, default_version, next_action
from server.lifecycle.states import LEGAL, State

BUSY = (State.LOADING, State.WARMING, State.DRAINING, State.UNLOADING)


def wanted(version: int, state: State) -> Snapshot:
    return Snapshot(version, state, aspired=True)


def stale(version: int, state: State) -> Snapshot:
    return Snapshot(version, state, aspired=False)


@pytest.mark.parametrize(
    ("snapshots", "action"),
    [
        ([], None),
        ([wanted(1, State.NEW)], Load(1)),
        ([wanted(1, State.NEW), wanted(3, State.NEW), wanted(2, State.NEW)], Load(3)),
        ([wanted(2, State.NEW), stale(1, State.READY)], Load(2)),
        ([wanted(2, State.READY), stale(1, State.READY)], Unload(1)),
        ([wanted(3, State.READY), stale(2, State.READY), stale(1, State.READY)], Unload(1)),
        ([wanted(2, State.FAILED), stale(1, State.READY)], None),
        ([wanted(2, State.READY), wanted(1, State.READY)], None),
        ([stale(1, State.READY)], Unload(1)),
        ([stale(1, State.NEW)], None),
        ([stale(1, State.FAILED), stale(2, State.ENDED)], None),
        ([wanted(1, State.READY), wanted(2, State.NEW)], Load(2)),
    ],
)
def test_the_next_action(snapshots, action):
    assert next_action(snapshots) == action


@pytest.mark.parametrize("busy", BUSY)
def test_one_thing_at_a_time(busy):
    assert next_action([wanted(1, busy), wanted(2, State.NEW), stale(3, State.READY)]) is None


@pytest.mark.parametrize(
    ("snapshots", "version"),
    [
        ([], None),
        ([wanted(1, State.NEW), wanted(2, State.FAILED)], None),
        ([wanted(1, State.READY), wanted(2, State.READY)], 2),
        ([wanted(1, State.READY), stale(2, State.READY)], 1),
        ([wanted(2, State.LOADING), stale(1, State.READY)], 1),
        ([wanted(1, State.DRAINING), stale(2, State.READY)], 2),
    ],
)
def test_the_default_is_the_newest_ready_version_aspired_ones_first(snapshots, version):
    assert default_version(snapshots) == version


models = st.lists(
    st.builds(Snapshot, st.integers(1, 9), st.sampled_from(State), st.booleans()),
    max_size=5,
    unique_by=lambda snapshot: snapshot.version,
)


@given(models)
def test_the_last_ready_version_stays_while_an_aspired_one_is_not_ready(snapshots):
    match next_action(snapshots):
        case Unload(version):
            left = [s for s in snapshots if s.state is State.READY and s.version != version]
            waited_for = [s for s in snapshots if s.aspired and s.state is not State.READY]
            assert left or not waited_for


@given(models)
def test_an_action_is_legal_for_the_version_it_names(snapshots):
    states = {snapshot.version: snapshot for snapshot in snapshots}
    match next_action(snapshots):
        case Load(version):
            assert State.LOADING in LEGAL[states[version].state]
            assert states[version].aspired
        case Unload(version):
            assert State.DRAINING in LEGAL[states[version].state]
            assert not states[version].aspired


@given(models, st.data())
def test_following_the_actions_comes_to_an_end_with_all_that_loads_ready(snapshots, data):
    states = {s.version: s for s in snapshots if s.state not in BUSY}
    for _ in range(2 * len(states) + 1):
        action = next_action(list(states.values()))
        if action is None:
            break
        now = states[action.version]
        if isinstance(action, Load):
            state = data.draw(st.sampled_from([State.READY, State.FAILED]))
        else:
            state = State.ENDED
        states[action.version] = Snapshot(now.version, state, now.aspired)
    else:
        raise AssertionError("the policy never comes to rest")

    assert not any(s.aspired and s.state is State.NEW for s in states.values())
    if any(s.aspired and s.state is State.READY for s in states.values()):
        assert not any(not s.aspired and s.state is State.READY for s in states.values())
