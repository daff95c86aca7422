"""In any order of swaps, requests, slow deliveries and deaths no load is taken for drained while a
live frontend uses it, and each is drained in the end.
"""

from __future__ import annotations

import asyncio
import contextlib

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from server.errors import ServingError
from server.lifecycle.states import State
from server.repository.settings import VersionPolicy
from tests.unit.server.routing.routing_world import World

NUMBERS = st.integers(1, 3)
PICK = st.integers(0, 5)


class RoutingMachine(RuleBasedStateMachine):
    def __init__(self):
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.loop.run_until_complete(self._make())
        self.used = []
        self.made = {}

    async def _make(self):
        self.world = World()
        self.world.want(1, 2, 3, version_policy=VersionPolicy(None))
        self.world.frontend(prompt=False)

    def teardown(self):
        for frontend, load in self.used:
            frontend.table.give_back(load)
        for load in self._in(State.READY):
            load.move(State.DRAINING)
        for frontend in self.world.frontends:
            frontend.deliver()
        for load in self._in(State.DRAINING):
            assert self.world.publisher.users(load) == 0
        for frontend in self.world.frontends:
            assert list(frontend.table.loads()) == []
        self.loop.close()

    def _in(self, state):
        return [one for one in self.world.model().loads.values() if one.state is state]

    @rule()
    def a_frontend_comes(self):
        if len(self.world.frontends) < 4:
            self.world.frontend(prompt=False)

    @precondition(lambda self: len(self.world.frontends) > 1)
    @rule(pick=PICK)
    def a_frontend_dies(self, pick):
        dead = self.world.frontends.pop(pick % len(self.world.frontends))
        dead.die()
        self.used = [(one, load) for one, load in self.used if one is not dead]

    @rule(pick=PICK, count=st.integers(1, 3))
    def some_is_delivered(self, pick, count):
        self.world.frontends[pick % len(self.world.frontends)].deliver(count)

    @rule(version=NUMBERS)
    def a_version_gets_ready(self, version):
        if any(one.version == version for one in self._in(State.NEW)):
            made = self.world.ready(version)
            self.made[made.ready.signature.outputs] = made

    @rule(pick=PICK)
    def a_load_drains(self, pick):
        ready = self._in(State.READY)
        if ready:
            ready[pick % len(ready)].move(State.DRAINING)
            self.world.want(1, 2, 3, version_policy=VersionPolicy(None))

    @rule(pick=PICK, version=st.sampled_from(["", "1", "2", "3"]))
    def a_request_begins(self, pick, version):
        frontend = self.world.frontends[pick % len(self.world.frontends)]
        with contextlib.suppress(ServingError):
            self.used.append((frontend, frontend.table.acquire("m", version)))

    @precondition(lambda self: self.used)
    @rule(pick=PICK)
    def a_request_ends(self, pick):
        frontend, load = self.used.pop(pick % len(self.used))
        frontend.table.give_back(load)

    @invariant()
    def what_is_used_is_neither_drained_nor_closed(self):
        for frontend, load in self.used:
            assert not load.workers.closed
            assert frontend.table.get(load.added.load) is load
            assert (
                self.world.publisher.users(self.made[load.added.signatures[0].signature.outputs])
                > 0
            )

    @invariant()
    def every_name_leads_to_a_load_that_is_there(self):
        for frontend in self.world.frontends:
            for name in ("", "1", "2", "3"):
                with contextlib.suppress(ServingError):
                    load = frontend.table.find("m", name)
                    assert not load.retired
                    assert not load.workers.closed


TestRoutingMachine = RoutingMachine.TestCase
TestRoutingMachine.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
