"""Any order of wishes, failures, endings, requests and rollbacks keeps the manager's promises."""

from __future__ import annotations

import asyncio
import contextlib

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from server.errors import ServingError
from server.lifecycle.states import State
from server.repository.settings import ModelSettings, SwapPolicy, VersionPolicy
from tests.unit.server.lifecycle.doubles import make_manager, turn

POLICIES = [VersionPolicy(1), VersionPolicy(2), VersionPolicy(None), VersionPolicy(None, (1, 3))]
NUMBERS = st.integers(1, 4)


class ManagerMachine(RuleBasedStateMachine):
    """At most one default; never none READY when one was and surge is possible; one ending each."""

    def __init__(self):
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.run(self._make())
        self.handles = []
        self.had_ready = False
        self.surge = True

    async def _make(self):
        self.manager, self.loader, self.clock, _ = make_manager()

    def run(self, coroutine):
        result = self.loop.run_until_complete(coroutine)
        self.loop.run_until_complete(turn())
        return result

    @property
    def model(self):
        return self.manager.models.get("m")

    @rule(
        policy=st.sampled_from(POLICIES),
        available=st.sets(NUMBERS),
        swap=st.sampled_from(SwapPolicy),
        batch=st.sampled_from([1, 2]),
        keep=st.booleans(),
        labels=st.dictionaries(st.sampled_from(["stable", "canary"]), NUMBERS, max_size=2),
    )
    def aspire(self, policy, available, swap, batch, keep, labels):
        self.surge = swap is SwapPolicy.SURGE

        async def act():
            self.manager.aspire(
                ModelSettings(
                    "m", version_policy=policy, swap=swap, max_batch_size=batch,
                    keep_previous=keep, labels=labels,
                ),
                tuple(available), "machine",
            )  # fmt: skip

        self.run(act())

    @precondition(lambda self: self.loader.pending)
    @rule(succeeds=st.booleans(), pick=st.integers(0, 3))
    def finish_a_load(self, succeeds, pick):
        ids = sorted(self.loader.pending)
        id = ids[pick % len(ids)]

        async def act():
            (self.loader.succeed if succeeds else self.loader.fail)(id)

        self.run(act())

    @rule(version=st.sampled_from(["", "1", "2", "3", "4", "stable", "canary"]))
    def request_begins(self, version):
        with contextlib.suppress(ServingError):
            handle = self.manager.acquire("m", version)
            handle.__enter__()
            self.handles.append(handle)

    @precondition(lambda self: self.handles)
    @rule(pick=st.integers(0, 3))
    def request_ends(self, pick):
        handle = self.handles.pop(pick % len(self.handles))

        async def act():
            handle.__exit__(None, None, None)

        self.run(act())

    @rule()
    def time_passes(self):
        async def act():
            self.clock.now += 1000
            if self.model:
                self.manager._reconcile(self.model)

        self.run(act())

    @rule(label=st.sampled_from(["stable", "canary"]), version=st.none() | NUMBERS)
    def label(self, label, version):
        async def act():
            with contextlib.suppress(ServingError):
                self.manager.label("m", {label: version}, "machine")

        self.run(act())

    @rule()
    def roll_back(self):
        async def act():
            with contextlib.suppress(ServingError):
                self.manager.roll_back("m", "machine")

        self.run(act())

    @invariant()
    def every_route_leads_to_a_ready_version(self):
        if self.model:
            assert all(v.state is State.READY for v in self.model.routes.values())
            for name, version in self.model.routes.items():
                assert not name.isdecimal() or version.version == int(name)

    @invariant()
    def there_is_a_default_exactly_when_something_is_ready(self):
        if self.model:
            some = any(v.state is State.READY for v in self.manager.versions())
            assert ("" in self.model.routes) is some

    @invariant()
    def surge_never_leaves_a_wanted_model_without_a_ready_version(self):
        has_ready = bool(self.model and "" in self.model.routes)
        if self.had_ready and self.surge and self.model.wanted:
            assert has_ready
        self.had_ready = has_ready

    @invariant()
    def every_load_ends_once(self):
        assert all(count == 1 for count in self.loader.endings.values())

    @invariant()
    def workers_are_not_stopped_while_a_request_is_in_them(self):
        assert not any(handle.pool.stopped for handle in self.handles)

    @invariant()
    def no_version_is_loaded_twice_at_once(self):
        loading = [v.version for v in self.manager.versions() if v.state is State.LOADING]
        assert len(loading) <= 1

    @invariant()
    def whoever_waits_for_the_model_to_settle_is_not_kept_for_ever(self):
        leaving = (State.DRAINING, State.UNLOADING)
        busy = self.loader.pending or any(v.state in leaving for v in self.manager.versions())
        if self.model and not busy:
            assert self.model.settled

    def teardown(self):
        async def finish():
            for handle in self.handles:
                handle.__exit__(None, None, None)
            await self.manager.stop()
            assert all(v.state in (State.ENDED, State.FAILED, State.NEW)
                       for v in self.manager.versions())  # fmt: skip
            assert all(pool.stopped for pool in self.loader.pools.values())

        self.run(finish())
        self.loop.close()


ManagerMachine.TestCase.settings = settings(max_examples=150, stateful_step_count=30, deadline=None)
TestManagerMachine = ManagerMachine.TestCase
