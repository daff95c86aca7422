"""Whatever comes, goes and is given up in any order: what the queue hands out stays right."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from runtimes.batching.decide import HEAD_START_NS, Limits, Waiting, next_batch
from runtimes.batching.queue import BatchQueue
from runtimes.contract.messages import HIGH_PRIORITY, Infer
from runtimes.contract.tensor import Datatype, Tensor

MAX_ROWS = 4
DELAY_NS = 1000
LIMITS = Limits(MAX_ROWS, DELAY_NS)
CLIENTS = ("a", "b")


class QueueMachine(RuleBasedStateMachine):
    """One queue, two clients that count their ids alike, and a clock that is moved by hand."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0
        self.ids = 0
        self.queue = BatchQueue(LIMITS, lambda: self.now)
        self.waiting: dict[tuple[object, int], Infer] = {}
        self.ended: set[tuple[object, int]] = set()
        self.reserved: list[tuple[object, int]] = []
        self.last: dict[tuple[object, ...], int] = {}

    @rule(
        client=st.sampled_from(CLIENTS),
        rows=st.integers(1, MAX_ROWS),
        width=st.integers(1, 2),
        high=st.booleans(),
        lasts=st.sampled_from([0, 1, 500, 5000]),
    )
    def come(self, client, rows, width, high, lasts):
        self.ids += 1
        tensor = Tensor("x", Datatype.UINT8, (rows, width), bytes(rows * width))
        deadline = self.now + lasts if lasts else 0
        request = Infer(self.ids, (tensor,), (), deadline, HIGH_PRIORITY if high else 0)
        self.queue.put(request, client)
        self.waiting[(client, self.ids)] = request

    @rule(step=st.sampled_from([1, 400, HEAD_START_NS]))
    def pass_time(self, step):
        self.now += step

    @rule(data=st.data())
    def cancel(self, data):
        known = [*self.waiting, *self.ended, ("a", 0)]
        client, number = data.draw(st.sampled_from(known))
        is_waiting = (client, number) in self.waiting

        assert self.queue.cancel(number, client) is is_waiting
        self._end([(client, number)] if is_waiting else [])

    @rule(client=st.sampled_from(CLIENTS))
    def go_away(self, client):
        self.queue.drop(client)
        self._end([key for key in self.waiting if key[0] == client])

    @precondition(lambda self: not self.reserved)
    @rule()
    def reserve(self):
        self.reserved = [_key(entry) for entry in self.queue.reserve()]
        # Only what nothing could be added to: else it would be kept from company.
        rows = sum(self.waiting[key].inputs[0].shape[0] for key in self.reserved)
        assert rows <= MAX_ROWS
        assert all(key in self.waiting for key in self.reserved)

    @precondition(lambda self: self.reserved)
    @rule()
    def begin(self):
        batch = self.queue.begin()
        assert {_key(entry) for entry in batch.entries} <= set(self.reserved)
        kept = {key for key in self.reserved if key in self.waiting}
        assert kept <= {_key(entry) for entry in (*batch.entries, *batch.late)}
        self.reserved = []
        self._check(batch)

    @precondition(lambda self: not self.reserved and self.waiting)
    @rule()
    def take(self):
        decision = next_batch(self.queue._waiting, LIMITS, self.now)
        if not decision.take:
            leader = self.queue._waiting[0]
            assert decision.wait_until_ns - leader.arrived_ns <= DELAY_NS
            self.now = decision.wait_until_ns
        batch = self.queue.take()
        assert batch is not None
        assert batch.entries or batch.late
        self._check(batch)

    def _check(self, batch):
        for entry in batch.late:
            assert 0 < entry.request.deadline_ns <= self.now
        self._end([_key(entry) for entry in batch.late])
        assert sum(entry.rows for entry in batch.entries) <= MAX_ROWS
        assert len({entry.key for entry in batch.entries}) <= 1
        for entry in batch.entries:
            key = _key(entry)
            assert self.waiting[key] is entry.request
            assert not 0 < entry.request.deadline_ns <= self.now
            alike = (key[0], entry.key, entry.request.priority)
            assert self.last.get(alike, 0) < key[1]
            self.last[alike] = key[1]
        self._end([_key(entry) for entry in batch.entries])

    def _end(self, keys):
        for key in keys:
            del self.waiting[key]  # a KeyError: it has ended before
            self.ended.add(key)

    @invariant()
    def it_holds_what_waits_and_nothing_else(self):
        held = [*self.queue._waiting, *self.queue._reserved]
        assert {_key(entry) for entry in held} == set(self.waiting)
        assert len(held) == len(self.waiting)
        assert self.queue._rows == sum(one.inputs[0].shape[0] for one in self.waiting.values())
        assert self.queue._bytes == sum(len(one.inputs[0].data) for one in self.waiting.values())
        assert self.queue.is_empty is not bool(self.waiting)


def _key(entry: Waiting) -> tuple[object, int]:
    return entry.client, entry.request.id


TestQueueMachine = QueueMachine.TestCase
TestQueueMachine.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
