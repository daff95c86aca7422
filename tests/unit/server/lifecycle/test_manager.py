"""The lifecycle manager with loads that end when the test says so."""

from __future__ import annotations

import asyncio
import contextlib

import pytest

from server.errors import NotFound, Unavailable
from server.lifecycle.states import State
from server.repository.settings import ModelSettings, SwapPolicy, VersionPolicy
from server.workers.worker import LoadError
from tests.unit.server.lifecycle.doubles import M, make_manager, ready, states, the_default, turn

ALL = ModelSettings("m", version_policy=VersionPolicy(latest=None))


@pytest.fixture
async def made():
    return make_manager()


async def test_a_new_version_takes_over_and_the_old_one_goes(made):
    manager, loader, _, _ = made
    await ready(made, 1)

    manager.aspire(M, (1, 2), "test")
    await turn()
    assert states(manager) == {(1, State.READY), (2, State.LOADING)}
    assert the_default(manager) == 1
    for id in list(loader.pending):
        loader.succeed(id)
    await turn()

    assert states(manager) == {(2, State.READY)}
    assert the_default(manager) == 2
    with pytest.raises(NotFound):
        manager.find("m", "1")


async def test_a_failed_load_leaves_the_old_version_serving(made):
    manager, loader, _, _ = made
    await ready(made, 1)
    manager.aspire(M, (1, 2), "test")
    await turn()

    for id in list(loader.pending):
        loader.fail(id, "the weights are torn")
    await turn()

    assert states(manager) == {(1, State.READY), (2, State.FAILED)}
    assert the_default(manager) == 1
    failed = next(v for v in manager.versions() if v.version == 2)
    assert failed.reason == "the weights are torn (attempt 1 of 3, next in 10 s)"


async def test_a_failed_load_is_tried_again_when_its_time_has_come_and_then_given_up(made):
    manager, loader, clock, _ = made
    manager.aspire(M, (1,), "test")
    for wait in (10, 20, 1000):
        await turn()
        for id in list(loader.pending):
            loader.fail(id)
        await turn()
        clock.now += wait - 1
        manager.aspire(M, (1,), "test")
        await turn()
        assert not loader.pending
        clock.now += 1
        manager.aspire(M, (1,), "test")

    await turn()
    assert not loader.pending
    assert len(loader.started) == 3


async def test_a_retry_is_cancelled_when_the_version_is_no_longer_wanted(made):
    manager, loader, clock, _ = made
    manager.aspire(M, (1,), "test")
    await turn()
    loader.fail(next(iter(loader.pending)))
    await turn()

    manager.aspire(M, (), "test")
    clock.now += 1000
    manager.aspire(M, (), "test")
    await turn()

    assert len(loader.started) == 1
    assert manager.models["m"].retry is None
    assert states(manager) == set()


async def test_a_load_that_is_no_longer_wanted_is_stopped(made):
    manager, loader, _, _ = made
    await ready(made, 1)
    manager.aspire(M, (1, 2), "test")
    await turn()

    manager.aspire(M, (1, 3), "test")
    await turn()

    assert states(manager) == {(1, State.READY), (3, State.LOADING)}
    assert len(loader.pending) == 1


async def test_a_load_given_up_in_the_moment_it_fails_has_ended():
    manager, loader, _, _ = make_manager()

    async def load(version, previous):
        # As asyncio.wait_for does: what is there already beats being cancelled.
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.Event().wait()
        raise LoadError("broken")

    loader.load = load
    manager.aspire(M, (1,), "test")
    await turn()

    manager.aspire(M, (), "test")
    await asyncio.wait_for(manager.settled(["m"]), 10)

    assert states(manager) == set()
    assert manager.models["m"].retry is None


async def test_many_identical_wishes_give_one_load(made):
    manager, loader, _, _ = made
    for _ in range(50):
        manager.aspire(M, (1,), "test")
        await turn(1)
    waiting = [asyncio.ensure_future(manager.settled(["m"])) for _ in range(50)]
    await turn()
    loader.succeed(next(iter(loader.pending)))

    await asyncio.gather(*waiting)

    assert loader.started == [("m", 1)]


async def test_a_version_with_requests_in_it_is_drained_before_its_workers_stop(made):
    manager, loader, _, _ = made
    await ready(made, 1)
    pool = next(iter(loader.pools.values()))
    with manager.acquire("m", "1"):
        manager.aspire(M, (), "test")
        await turn()
        assert states(manager) == {(1, State.DRAINING)}
        with pytest.raises(Unavailable):
            manager.acquire("m", "1")
        assert not pool.stopped
    await turn()

    assert pool.stopped
    assert states(manager) == set()


async def test_a_slow_drain_of_one_model_delays_no_other(made):
    manager, _loader, _, _ = made
    await ready(made, 1)
    other = ModelSettings("other")
    with manager.acquire("m", ""):
        manager.aspire(M, (), "test")
        await ready(made, 1, settings=other)
        await ready(made, 1, 2, settings=other)

        assert the_default(manager, "other") == 2
        assert states(manager) == {(1, State.DRAINING)}


async def test_a_drain_ends_at_its_deadline():
    made = make_manager(drain_timeout=0.01)
    manager, loader, _, _ = made
    await ready(made, 1)
    with manager.acquire("m", ""):
        manager.aspire(M, (), "test")
        await asyncio.wait_for(manager.settled(["m"]), 10)
        assert next(iter(loader.pools.values())).stopped


async def test_replace_unloads_the_old_version_before_it_loads_the_new_one(made):
    manager, loader, _, _ = made
    replace = ModelSettings("m", swap=SwapPolicy.REPLACE)
    await ready(made, 1, settings=replace)
    (pool,) = loader.pools.values()
    pool.may_stop.clear()

    manager.aspire(replace, (1, 2), "test")
    await turn()
    assert states(manager) == {(1, State.UNLOADING), (2, State.NEW)}
    pool.may_stop.set()
    await turn()

    assert states(manager) == {(2, State.LOADING)}


async def test_changed_settings_load_the_same_version_anew_beside_the_old(made):
    manager, loader, _, _ = made
    await ready(made, 1)
    changed = ModelSettings("m", max_batch_size=4)

    manager.aspire(changed, (1,), "test")
    await turn()
    assert states(manager) == {(1, State.READY), (1, State.LOADING)}
    assert manager.find("m", "1").settings is M
    for id in list(loader.pending):
        loader.succeed(id)
    await turn()

    assert states(manager) == {(1, State.READY)}
    assert manager.find("m", "1").settings is changed


async def test_settings_that_do_not_touch_the_worker_load_nothing(made):
    manager, loader, _, _ = made
    await ready(made, 1)

    manager.aspire(ModelSettings("m", keep_previous=True, labels={"stable": 1}), (1,), "test")
    await turn()

    assert len(loader.started) == 1
    assert manager.find("m", "stable").version == 1


async def test_every_transition_is_in_the_history_with_its_cause(made):
    manager, _, _, history = made
    await ready(made, 1)
    manager.aspire(M, (), "the operator")
    await turn()

    walk = [(entry.source, entry.target) for entry in history.entries("m")]
    assert walk == [
        (State.NEW, State.LOADING),
        (State.LOADING, State.READY),
        (State.READY, State.DRAINING),
        (State.DRAINING, State.UNLOADING),
        (State.UNLOADING, State.ENDED),
    ]
    assert [entry.cause for entry in history.entries("m")] == ["test"] * 2 + ["the operator"] * 3
    assert history.entries("m", limit=1)[0].target is State.ENDED
    assert history.entries("other") == []


async def test_long_gone_versions_are_forgotten(made):
    manager, loader, _, _ = made
    for newest in range(1, 14):
        await ready(made, newest)

    assert len(manager.models["m"].loads) <= 9
    assert ("m", 1) in loader.forgotten


async def test_stopping_drains_what_serves_and_gives_up_what_loads(made):
    manager, loader, _, _ = made
    await ready(made, 1)
    manager.aspire(M, (1, 2), "test")
    await turn()

    await manager.stop()

    assert all(version.state is State.ENDED for version in manager.versions())
    assert all(pool.stopped for pool in loader.pools.values())


async def test_an_unknown_model_is_not_found(made):
    with pytest.raises(NotFound, match="unknown model: 'x' is not found"):
        made[0].find("x", "")


async def test_an_old_load_that_stays_for_a_failed_one_keeps_nobody_waiting(made):
    manager, loader, _, _ = made
    await ready(made, 3)
    changed = ModelSettings("m", max_batch_size=2, version_policy=VersionPolicy(latest=2))
    manager.aspire(changed, (1, 3), "test")
    await turn()
    loader.fail(*loader.pending)
    await turn()
    loader.succeed(*loader.pending)
    await turn()

    assert states(manager) == {(3, State.READY), (3, State.FAILED), (1, State.READY)}
    await asyncio.wait_for(manager.settled(["m"]), 5)


async def test_the_cause_of_an_unload_is_who_first_asked_for_it(made):
    manager, loader, _, history = made
    await ready(made, 1, 2)
    manager.roll_back("m", "api")
    await turn()
    manager.aspire(M, (1, 2), "repository")  # a look at the repository while version 1 loads
    loader.succeed(*loader.pending)
    await turn()

    causes = {(e.version, e.target): e.cause for e in history.entries("m")}
    assert causes[2, State.DRAINING] == causes[1, State.READY] == "api"


async def test_a_model_that_is_removed_is_forgotten_once_its_requests_are_answered(made):
    manager, loader, _, _ = made
    await ready(made, 1)
    with manager.acquire("m", ""):
        manager.remove("m", "test")
        await turn()
        assert "m" in manager.models
    await turn()

    assert "m" not in manager.models
    assert ("m", 1) in loader.forgotten
    await manager.settled(["m"])


async def test_a_model_that_comes_back_while_it_is_being_removed_is_kept(made):
    manager, _, _, _ = made
    await ready(made, 1)
    with manager.acquire("m", ""):
        manager.remove("m", "test")
        await ready(made, 1)
    await turn()

    assert states(manager) == {(1, State.READY)}


async def test_a_version_is_ready_until_no_frontend_leads_there_any_more(made):
    manager, _, _, history = made
    await ready(made, 1)
    told = asyncio.Event()
    manager.publisher.applied = told.wait

    await ready(made, 2)
    assert states(manager) == {(1, State.READY), (2, State.READY)}
    assert the_default(manager) == 2
    assert "1" not in manager.models["m"].routes

    told.set()
    await turn()
    assert states(manager) == {(2, State.READY)}
    assert [t.target for t in history.entries("m") if t.version == 1][-3:] == [
        State.DRAINING, State.UNLOADING, State.ENDED,
    ]  # fmt: skip
