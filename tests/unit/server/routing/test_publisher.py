"""What every frontend is told, and when a load counts as drained."""

from __future__ import annotations

import asyncio

import pytest

from runtimes.contract.codes import Code
from server.errors import NotFound, Unavailable
from server.lifecycle.states import State
from server.repository.settings import VersionPolicy
from server.routing.messages import LoadAdded, Released, Routes, WorkerJoined
from server.telemetry.counts import Report, VersionCounts
from server.telemetry.tally import VersionTally
from tests.unit.server.routing.routing_world import World
from tests.unit.server.telemetry.exchanges import exchange


@pytest.fixture
async def world() -> World:
    return World()


def is_drained(world, load) -> bool:
    return world.publisher.users(load) == 0


async def test_a_version_that_gets_ready_answers_in_every_frontend(world):
    first, second = world.frontend(), world.frontend()
    world.want(1)
    world.ready(1)

    for frontend in (first, second):
        assert frontend.table.find("m", "").added.version == 1
        assert frontend.table.find("m", "").workers.joined == ["m/1"]


async def test_a_frontend_that_comes_later_is_told_everything_before_it_serves(world):
    world.want(1)
    world.ready(1)
    world.publisher.started()

    late = world.frontend(prompt=False)
    while not late.serves:
        assert not late.table.started or late.table.find("m", "").workers.joined == ["m/1"]
        late.deliver(1)

    assert late.table.find("m", "").added.version == 1
    assert late.table.started


async def test_a_switch_moves_all_names_of_a_model_in_one_step(world):
    frontend = world.frontend(prompt=False)
    world.want(1, 2, version_policy=VersionPolicy(None), labels={"stable": 1, "canary": 2})
    world.ready(1)
    frontend.deliver()
    world.model().label({"stable": None}, "test")
    frontend.deliver()
    world.ready(2)
    seen = set()
    for _ in range(20):
        names = tuple(
            frontend.table.find("m", name).added.version if _knows(frontend, name) else 0
            for name in ("", "2", "canary")
        )
        seen.add(names)
        frontend.deliver(1)

    assert seen == {(1, 0, 0), (2, 2, 2)}


def _knows(frontend, name) -> bool:
    try:
        frontend.table.find("m", name)
    except (NotFound, Unavailable):
        return False
    return True


async def test_a_load_is_drained_when_the_last_frontend_has_released_it(world):
    quick, slow = world.frontend(), world.frontend(prompt=False)
    world.want(1)
    old = world.ready(1)
    slow.deliver()
    in_quick = quick.table.acquire("m", "")
    in_slow = slow.table.acquire("m", "")

    old.move(State.DRAINING)
    assert world.publisher.users(old) == 2
    quick.table.give_back(in_quick)
    assert world.publisher.users(old) == 1
    slow.table.give_back(in_slow)
    assert not is_drained(world, old), "it was not even told yet"
    slow.deliver()

    assert is_drained(world, old)
    await asyncio.wait_for(world.publisher.drained(old), 1)


async def test_a_frontend_that_dies_gives_back_all_it_held(world):
    doomed, other = world.frontend(), world.frontend()
    world.want(1)
    old = world.ready(1)
    doomed.table.acquire("m", "")
    old.move(State.DRAINING)
    waiting = asyncio.ensure_future(world.publisher.drained(old))
    await asyncio.sleep(0)
    assert not waiting.done()

    doomed.die()

    await asyncio.wait_for(waiting, 1)
    assert other.table.get(1) is None


async def test_a_load_that_is_routed_to_cannot_be_released(world):
    frontend = world.frontend()
    world.want(1)
    load = world.ready(1)

    frontend._tell(Released(1))

    assert world.publisher.users(load) == 1


async def test_a_frontend_that_comes_during_a_drain_does_not_delay_it(world):
    first = world.frontend()
    world.want(1)
    old = world.ready(1)
    held = first.table.acquire("m", "")
    old.move(State.DRAINING)
    late = world.frontend(prompt=False)

    first.table.give_back(held)

    assert is_drained(world, old)
    assert not any(isinstance(message, LoadAdded) for message in late.seen)


async def test_without_any_frontend_nothing_is_waited_for(world):
    world.want(1)
    load = world.ready(1)
    load.move(State.DRAINING)

    await asyncio.wait_for(world.publisher.drained(load), 1)
    await world.publisher.applied()
    await world.publisher.gather()


async def test_a_worker_that_takes_the_place_of_another_is_joined_everywhere(world):
    frontends = [world.frontend(), world.frontend()]
    world.want(1)
    load = world.ready(1)

    load.pool.replace("m/1#2")

    for frontend in frontends:
        assert frontend.table.find("m", "").workers.joined == ["m/1", "m/1#2"]


async def test_a_worker_that_has_just_died_is_passed_over(world):
    frontend = world.frontend()
    world.want(1)
    load = world.ready(1)
    load.pool.workers[0].dead = True
    late = world.frontend()

    assert frontend.table.find("m", "") is not late.table.find("m", "")
    assert not any(isinstance(message, WorkerJoined) for message in late.seen)


async def test_trouble_is_told_now_and_to_those_that_come_later(world):
    first = world.frontend()
    world.want(1)
    load = world.ready(1)

    load.pool.trouble("its worker died 5 times")

    for frontend in (first, world.frontend()):
        assert frontend.table.find("m", "").workers.trouble == "its worker died 5 times"


async def test_nothing_is_told_twice(world):
    frontend = world.frontend()
    world.want(1)
    world.ready(1)
    told = len(frontend.seen)

    world.model().refresh()

    assert len(frontend.seen) == told


async def test_a_model_that_is_gone_is_unknown(world):
    frontend = world.frontend()
    world.want(1)
    world.ready(1).move(State.DRAINING)
    with pytest.raises(Unavailable):
        frontend.table.find("m", "")

    world.publisher.withdraw(world.model())

    with pytest.raises(NotFound):
        frontend.table.find("m", "")


async def test_applied_waits_for_the_slow_but_not_for_ever(world, monkeypatch):
    monkeypatch.setattr("server.routing.publisher.APPLY_WAIT", 0.01)
    slow = world.frontend(prompt=False)
    world.want(1)
    await world.publisher.applied()

    monkeypatch.setattr("server.routing.publisher.APPLY_WAIT", 60)
    waiting = asyncio.ensure_future(world.publisher.applied())
    await asyncio.sleep(0)
    assert not waiting.done()
    slow.deliver()

    await asyncio.wait_for(waiting, 10)


async def test_gathering_brings_in_what_was_counted_everywhere(world):
    frontends = [world.frontend(), world.frontend()]
    world.want(1)
    world.ready(1)
    for frontend in frontends:
        frontend.table.find("m", "").tally.ended(exchange(), Code.INTERNAL)

    await world.publisher.gather()

    assert world.recorders.statistics("m", 1).fail.count == 2


async def test_what_was_counted_of_a_load_comes_before_its_release(world):
    frontend = world.frontend()
    world.want(1)
    old = world.ready(1)
    held = frontend.table.acquire("m", "")
    held.tally.ended(exchange(), Code.INTERNAL)
    old.move(State.DRAINING)
    frontend.table.give_back(held)

    assert is_drained(world, old)
    assert world.recorders.statistics("m", 1).fail.count == 1


async def test_a_report_without_a_load_says_that_nothing_is_in_flight_there(world):
    world.recorders.expect("m", 1, "echo")
    world.recorders.add(0, Report((VersionCounts("m", 1, 3, VersionTally().take()),)))
    world.recorders.add(0, Report())

    labels = {"model": "m", "version": "1", "runtime": "echo"}
    assert world.registry.get_sample_value("underway_requests_in_flight", labels) == 0


async def test_routes_name_only_loads_that_were_told_of_before(world):
    frontend = world.frontend(prompt=False)
    world.want(1, 2, version_policy=VersionPolicy(None))
    world.ready(1)
    world.ready(2).move(State.DRAINING)
    world.want(2)
    known = set()
    frontend.deliver()

    for message in frontend.seen:
        if isinstance(message, LoadAdded):
            known.add(message.load)
        elif isinstance(message, Routes):
            assert {*message.names.values(), *message.loads} <= known
