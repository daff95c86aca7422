"""Frontend processes are started, replaced and ended; here they are small programs."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys

import pytest

from server.hosting.fleet import FrontendFleet, FrontendStartError
from tests.unit.server.hosting.hosting_world import Gateway, until

COMES = """
import asyncio, signal, sys
from server.hosting.client import attach

async def run(path):
    client = await attach(path)
    client.listening()
    await client.ended()
    await client.close()

asyncio.run(run(sys.argv[1]))
"""
NEVER_COMES = "import time; time.sleep(600)"
FAILS = "import sys; sys.exit(7)"


class Fleet(Gateway):
    """A gateway whose frontends are processes of a program."""

    def __init__(self, program: str, count: int = 2, silence: float = 60.0) -> None:
        super().__init__()
        self.replaced: list[str] = []
        command = [sys.executable, "-c", program, self.path]
        self.fleet = FrontendFleet(command, {}, count, silence, self.replaced.append)
        self.door._came, self.door._went = self.fleet.came, self.fleet.went

    @property
    def pids(self) -> set[int]:
        return {session.pid for session in self.door.sessions}


@contextlib.asynccontextmanager
async def running(program: str, **options):
    made = Fleet(program, **options)
    try:
        yield made
    finally:
        await made.fleet.stop(0.0)
        made.door.close()


async def test_all_are_up_when_the_start_is_over_and_all_end_in_good_order():
    async with running(COMES) as made:
        await made.fleet.start(60)
        sessions = list(made.door.sessions)
        assert len(sessions) == 2

        await made.fleet.stop(10)

        assert all(session.stopped for session in sessions)


async def test_one_that_dies_is_replaced_and_the_other_is_left_alone():
    async with running(COMES) as made:
        await made.fleet.start(60)
        doomed, other = made.pids

        made.fleet._processes[doomed].kill()

        await until(lambda: len(made.pids) == 2 and doomed not in made.pids)
        assert other in made.pids
        assert made.replaced == ["signal"]


async def test_one_that_is_silent_is_killed_and_counted_as_hung():
    async with running(COMES, count=1, silence=0.2) as made:
        await made.fleet.start(60)
        (doomed,) = made.pids
        os.kill(doomed, signal.SIGSTOP)

        await until(lambda: made.pids and doomed not in made.pids)

        assert made.replaced[0] == "hung"


async def test_a_frontend_that_cannot_start_fails_the_start_with_how_it_ended():
    async with running(FAILS) as made:
        with pytest.raises(FrontendStartError, match="exit code 7"):
            await made.fleet.start(60)


async def test_a_frontend_that_never_comes_fails_the_start_and_is_killed():
    async with running(NEVER_COMES) as made:
        with pytest.raises(FrontendStartError, match="came up within"):
            await made.fleet.start(0.2)
        processes = list(made.fleet._processes.values())

        await made.fleet.stop(0.0)

        assert [process.returncode for process in processes] == [-9, -9]


async def test_a_start_can_be_given_up():
    async with running(NEVER_COMES) as made:
        starting = asyncio.ensure_future(made.fleet.start(60))
        await until(lambda: len(made.fleet._processes) == 2)
        starting.cancel()
        await asyncio.wait([starting])
