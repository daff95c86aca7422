"""Labels and rollback in the lifecycle manager."""

from __future__ import annotations

import pytest

from server.errors import InvalidArgument, NotFound
from server.lifecycle.states import State
from server.repository.settings import ModelSettings, VersionPolicy
from tests.unit.server.lifecycle.doubles import M, make_manager, ready, states, the_default, turn

ALL = ModelSettings("m", version_policy=VersionPolicy(latest=None))


@pytest.fixture
async def made():
    return make_manager()


async def test_a_label_points_only_at_a_ready_version(made):
    manager, loader, _, _ = made
    await ready(made, 1, settings=ALL)
    manager.aspire(ALL, (1, 2), "test")
    await turn()

    with pytest.raises(InvalidArgument, match=r"only point to a READY version.*2 is LOADING"):
        manager.label("m", {"stable": 2}, "test")

    manager.label("m", {"stable": 1}, "test")
    assert manager.find("m", "stable").version == 1
    loader.succeed(next(iter(loader.pending)))
    await turn()
    manager.label("m", {"stable": 2}, "test")
    assert manager.find("m", "stable").version == 2
    manager.label("m", {"stable": None}, "test")
    with pytest.raises(NotFound, match="label stable"):
        manager.find("m", "stable")


async def test_a_label_in_the_settings_moves_when_its_version_is_ready(made):
    manager, loader, _, _ = made
    one = ModelSettings("m", labels={"stable": 1})
    await ready(made, 1, settings=one)
    two = ModelSettings("m", labels={"stable": 2})

    manager.aspire(two, (1, 2), "test")
    await turn()
    assert manager.find("m", "stable").version == 1
    loader.succeed(next(iter(loader.pending)))
    await turn()

    assert manager.find("m", "stable").version == 2
    assert states(manager) == {(2, State.READY)}


async def test_a_labelled_version_is_kept_when_a_newer_one_comes(made):
    manager, _, _, _ = made
    settings = ModelSettings("m", labels={"stable": 1})
    await ready(made, 1, settings=settings)
    await ready(made, 1, 2, settings=settings)

    assert states(manager) == {(1, State.READY), (2, State.READY)}
    assert the_default(manager) == 2


async def test_rolling_back_to_a_version_kept_warm_takes_no_load(made):
    manager, loader, _, _ = made
    keeping = ModelSettings("m", keep_previous=True)
    for versions in ((1,), (1, 2), (1, 2, 3)):
        await ready(made, *versions, settings=keeping)
    assert states(manager) == {(2, State.READY), (3, State.READY)}

    assert manager.roll_back("m", "test") == 2

    assert the_default(manager) == 2
    await turn()
    assert states(manager) == {(2, State.READY)}
    assert len(loader.started) == 3
    # What was rolled back stays away, and a newer version comes as usual.
    await ready(made, 1, 2, 3, settings=keeping)
    assert the_default(manager) == 2
    await ready(made, 1, 2, 3, 4, settings=keeping)
    assert the_default(manager) == 4


async def test_rolling_back_to_a_version_that_is_gone_from_memory_keeps_serving_until_it_is_back(
    made,
):
    manager, loader, _, _ = made
    await ready(made, 1)
    await ready(made, 1, 2)

    assert manager.roll_back("m", "test") == 1
    await turn()
    assert the_default(manager) == 2
    loader.succeed(next(iter(loader.pending)))
    await turn()

    assert the_default(manager) == 1
    assert states(manager) == {(1, State.READY)}


async def test_a_label_on_the_version_rolled_back_goes_along(made):
    manager, loader, _, _ = made
    await ready(made, 1, settings=ALL)
    await ready(made, 1, 2, settings=ALL)
    manager.label("m", {"stable": 2}, "test")

    manager.roll_back("m", "test")
    await manager.settled(["m"])

    assert manager.find("m", "stable").version == 1
    assert not loader.pending


async def test_rolling_back_works_where_the_policy_names_only_the_version_turned_from(made):
    manager, loader, _, _ = made
    only = ModelSettings("m", version_policy=VersionPolicy(None, (5,)))
    await ready(made, 4, 5, settings=only)

    assert manager.roll_back("m", "test") == 4
    await turn()
    assert the_default(manager) == 5
    loader.succeed(next(iter(loader.pending)))
    await turn()

    assert states(manager) == {(4, State.READY)}


async def test_rolling_back_past_a_newest_version_that_failed_turns_to_the_one_before(made):
    manager, loader, _, _ = made
    await ready(made, 1)
    await ready(made, 1, 2)
    manager.aspire(M, (1, 2, 3), "test")
    await turn()
    loader.fail(next(iter(loader.pending)))
    await turn()

    assert manager.roll_back("m", "test") == 1
    await turn()
    loader.succeed(next(iter(loader.pending)))
    await turn()

    assert states(manager) == {(1, State.READY)}


async def test_there_is_nothing_to_roll_back_to_from_the_first_version(made):
    manager, _, _, _ = made
    await ready(made, 1)

    with pytest.raises(InvalidArgument, match="no version before 1"):
        manager.roll_back("m", "test")
