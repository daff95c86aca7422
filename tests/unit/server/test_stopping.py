"""The first signal begins the drain delay, the next ends it, one after that ends the process."""

import asyncio

import pytest

from server.stopping import Stopping

FOREVER = 3600.0


class World:
    def __init__(self, delay: float, *, ready: bool = True) -> None:
        self.calls: list[str] = []
        self._ready = ready
        self.stopping = Stopping(delay, self._begin, lambda: self.calls.append("at once"))

    def _begin(self) -> bool:
        self.calls.append("begin")
        return self._ready


async def is_over(world: World) -> bool:
    delay = asyncio.ensure_future(world.stopping.delay())
    done, _ = await asyncio.wait({delay}, timeout=0.05)
    delay.cancel()
    return bool(done)


async def test_nothing_stops_before_it_is_asked_to():
    world = World(FOREVER)
    asked = asyncio.ensure_future(world.stopping.asked())
    await asyncio.sleep(0)
    assert not asked.done()

    world.stopping.signal("SIGTERM")

    await asked
    assert world.calls == ["begin"]


async def test_the_first_signal_begins_the_delay_and_the_second_ends_it():
    world = World(FOREVER)
    world.stopping.signal("SIGTERM")
    assert not await is_over(world)

    world.stopping.signal("SIGTERM")

    assert await is_over(world)
    assert world.calls == ["begin"]


async def test_a_third_ends_the_process_at_once():
    world = World(FOREVER)
    for _ in range(3):
        world.stopping.signal("SIGTERM")

    assert world.calls == ["begin", "at once"]


async def test_the_delay_ends_by_itself_and_the_next_signal_is_at_once():
    world = World(0.001)
    world.stopping.signal("SIGTERM")
    await world.stopping.delay()

    world.stopping.signal("SIGTERM")

    assert world.calls == ["begin", "at once"]


@pytest.mark.parametrize(("delay", "ready"), [(0.0, True), (FOREVER, False)])
async def test_without_a_delay_or_anybody_to_wait_for_the_second_is_at_once(delay, ready):
    world = World(delay, ready=ready)
    world.stopping.signal("SIGINT")
    assert await is_over(world)

    world.stopping.signal("SIGINT")

    assert world.calls == ["begin", "at once"]
