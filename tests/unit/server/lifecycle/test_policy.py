"""What to do next: tables, and promises that hold for any states."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.lifecycle.policy import (
    Abandon,
    Forget,
    Load,
    Snapshot,
    Unload,
    default_id,
    next_action,
    retry_delay,
)
from server.lifecycle.states import State
from server.repository.settings import SwapPolicy

S, R = SwapPolicy.SURGE, SwapPolicy.REPLACE
N, L, W = State.NEW, State.LOADING, State.WARMING
OK, D, U, E, F = State.READY, State.DRAINING, State.UNLOADING, State.ENDED, State.FAILED


def snap(id, state, aspired=True, version=None, retry_due=False):
    return Snapshot(id, version or id, state, aspired, retry_due)


@pytest.mark.parametrize(
    ("snapshots", "swap", "expected"),
    [
        ([], S, None),
        ([snap(1, N)], S, Load(1)),
        ([snap(1, N), snap(2, N)], S, Load(2)),
        ([snap(1, L)], S, None),
        ([snap(1, L), snap(2, N)], S, None),
        ([snap(1, OK)], S, None),
        # Surge: the new one first, then the old one goes.
        ([snap(1, OK, False), snap(2, N)], S, Load(2)),
        ([snap(1, OK, False), snap(2, L)], S, None),
        ([snap(1, OK, False), snap(2, W)], S, None),
        ([snap(1, OK, False), snap(2, OK)], S, Unload(1)),
        # A failed load leaves the old version serving.
        ([snap(1, OK, False), snap(2, F)], S, None),
        ([snap(1, OK, False), snap(2, F, retry_due=True)], S, Load(2)),
        # Replace: the old one first, and only when it is gone the new one.
        ([snap(1, OK, False), snap(2, N)], R, Unload(1)),
        ([snap(1, D, False), snap(2, N)], R, None),
        ([snap(1, U, False), snap(2, N)], R, None),
        ([snap(1, E, False), snap(2, N)], R, Load(2)),
        # Nothing wanted: everything goes, whatever it is doing.
        ([snap(1, OK, False)], S, Unload(1)),
        ([snap(1, L, False)], S, Abandon(1)),
        ([snap(1, W, False)], S, Abandon(1)),
        ([snap(1, N, False)], S, Forget(1)),
        ([snap(1, F, False)], S, Forget(1)),
        ([snap(1, F, False, retry_due=True)], S, Forget(1)),
        ([snap(1, D, False)], S, None),
        # A drain keeps nobody from loading under surge.
        ([snap(1, D, False), snap(2, OK), snap(3, N)], S, Load(3)),
        # A version never tried comes before a retry.
        ([snap(1, N), snap(2, F, retry_due=True)], S, Load(1)),
        # Changed settings: each version waits for its own successor.
        (
            [
                snap(1, OK, False, 7), snap(2, OK, False, 8),
                snap(3, N, True, 7), snap(4, OK, True, 8),
            ],
            S,
            Unload(2),
        ),
        (
            [snap(1, OK, False, 7), snap(3, F, True, 7), snap(4, OK, True, 8)],
            S,
            None,
        ),
    ],
)  # fmt: skip
def test_the_next_action(snapshots, swap, expected):
    assert next_action(snapshots, swap) == expected


ANY = st.lists(
    st.builds(
        Snapshot,
        id=st.integers(1, 1000),
        version=st.integers(1, 4),
        state=st.sampled_from(State),
        aspired=st.booleans(),
        retry_due=st.booleans(),
    ),
    max_size=6,
    unique_by=lambda snapshot: snapshot.id,
)


@given(ANY, st.sampled_from(SwapPolicy))
def test_an_action_fits_the_state_it_is_meant_for(snapshots, swap):
    action = next_action(snapshots, swap)
    if action is None:
        return
    state = next(s for s in snapshots if s.id == action.id).state
    assert state in {Load: (N, F), Unload: (OK,), Abandon: (L, W), Forget: (N, F)}[type(action)]


@given(ANY)
def test_surge_never_unloads_the_last_ready_version_while_something_is_wanted(snapshots):
    action = next_action(snapshots, S)
    if isinstance(action, Unload) and any(s.aspired for s in snapshots):
        assert any(s.aspired and s.state is OK for s in snapshots)


@given(ANY, st.sampled_from(SwapPolicy))
def test_doing_what_is_said_comes_to_an_end(snapshots, swap):
    after = {
        Load: OK, Unload: E, Abandon: E, Forget: E,
    }  # fmt: skip
    now = {s.id: s for s in snapshots}
    for _ in range(len(snapshots) * 3 + 1):
        action = next_action(list(now.values()), swap)
        if action is None:
            return
        old = now[action.id]
        now[action.id] = Snapshot(old.id, old.version, after[type(action)], old.aspired)
    raise AssertionError("it never ended")


@pytest.mark.parametrize(
    ("snapshots", "expected"),
    [
        ([], None),
        ([snap(1, L)], None),
        ([snap(1, OK)], 1),
        ([snap(1, OK), snap(2, OK)], 2),
        ([snap(1, OK, False), snap(2, OK)], 2),
        ([snap(1, OK), snap(2, OK, False)], 1),
        ([snap(1, OK, False), snap(2, L)], 1),
        ([snap(1, OK, True, 7), snap(2, OK, True, 7)], 2),
    ],
)
def test_the_default_is_the_newest_ready_aspired_version(snapshots, expected):
    assert default_id(snapshots) == expected


@pytest.mark.parametrize(
    ("attempt", "expected"), [(1, 5), (2, 10), (3, 20), (7, 300), (10_000, 300)]
)
def test_the_pause_between_attempts_doubles_up_to_a_bound(attempt, expected):
    assert retry_delay(attempt, 5.0) == expected


@pytest.mark.parametrize("attempt", [1, 2, 100])
def test_a_first_pause_above_the_bound_is_every_pause(attempt):
    assert retry_delay(attempt, 3600.0) == 3600
