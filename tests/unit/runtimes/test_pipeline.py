"""What is computed beside what: each request ends once, with its own answer, or is not computed."""

from __future__ import annotations

import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runtimes import pipeline as module
from runtimes.batching.decide import Limits
from runtimes.batching.queue import BatchQueue
from runtimes.contract.codes import Code
from runtimes.contract.messages import Failed, Infer, Result
from runtimes.contract.tensor import Datatype, Signature, Tensor, TensorSpec
from runtimes.functions import Function
from runtimes.pipeline import HANDOVER_NS, Busy, Helper, Pipeline, worth
from runtimes.runtime import ModelError

SPEC = TensorSpec("x", Datatype.UINT8, (-1, 1))
WAIT_S = 20


class Client:
    """Keeps what it is sent; an outbox to itself."""

    def __init__(self):
        self.sent = []
        self.outbox = self

    def send(self, *messages):
        self.sent += messages

    def contents(self):
        return {
            one.id: bytes(one.outputs[0].data) if isinstance(one, Result) else one.code
            for one in self.sent
        }


class Model:
    """Gives back what it gets; fails on 66; waits in each call until it is let go on."""

    signature = Signature((SPEC,), (SPEC,))
    max_batch_size = 4
    device = "cpu"
    facts: dict[str, str] = {}

    def __init__(self, held=False):
        self.calls = []
        self.threads = set()
        self.called = threading.Semaphore(0)
        self.go_on = threading.Semaphore(0 if held else 10**6)

    def infer(self, inputs, outputs):
        data = bytes(inputs[0].data)
        self.calls.append(list(data))
        self.threads.add(threading.get_ident())
        self.called.release()
        assert self.go_on.acquire(timeout=WAIT_S)
        if 66 in data:
            raise ModelError("not this")
        return inputs


def request(number, *values):
    data = bytes(values or (number,))
    return Infer(number, (Tensor("x", Datatype.UINT8, (len(data), 1), data),))


def asking(model, limits):
    return {"": Function("serving_default", model, limits)}


class Running:
    """A pipeline in a thread of its own."""

    def __init__(self, model, limits):
        self.queue = BatchQueue(limits)
        self.pipeline = Pipeline(asking(model, limits), self.queue, Busy(), 2**20)
        self.thread = threading.Thread(target=self.pipeline.run, daemon=True)
        self.thread.start()

    def end(self):
        self.queue.close()
        self.thread.join(WAIT_S)
        assert not self.thread.is_alive()


def computing_0(limits):
    """A model that is in the middle of request 0, who asked for it, and the pipeline."""
    model, client = Model(held=True), Client()
    running = Running(model, limits)
    running.queue.put(request(0), client)
    assert model.called.acquire(timeout=WAIT_S)
    return model, client, running


@pytest.fixture
def always_beside(monkeypatch):
    """Every stage is worth a thread of its own, however short."""
    monkeypatch.setattr(module, "HANDOVER_NS", -1)


@pytest.mark.parametrize(
    ("stage", "infer", "is_worth"),
    [
        (0, 10 * HANDOVER_NS, False),
        (10 * HANDOVER_NS, 0, False),
        (HANDOVER_NS, HANDOVER_NS, False),
        (2 * HANDOVER_NS, 2 * HANDOVER_NS, True),
    ],
)
def test_a_stage_is_handed_over_where_that_saves_more_than_it_costs(stage, infer, is_worth):
    assert worth(stage, infer) is is_worth


def test_what_is_quick_is_done_by_the_thread_that_computes():
    running, client = Running(Model(), Limits(4)), Client()
    for number in range(40):
        running.queue.put(request(number), client)
    running.end()

    assert client.contents() == {number: bytes([number]) for number in range(40)}
    assert running.pipeline._helper._thread is None


def test_a_full_batch_is_made_ready_while_another_one_is_computed(always_beside):
    model, client, running = computing_0(Limits(4))
    for number in range(1, 11):
        running.queue.put(request(number), client)
    for _ in range(3):
        model.go_on.release()
        assert model.called.acquire(timeout=WAIT_S)
    model.go_on.release()
    running.end()

    # The last was not full, so it was left open until the model was free.
    assert model.calls == [[0], [1, 2, 3, 4], [5, 6, 7, 8], [9, 10]]
    assert running.pipeline._helper._given > 0
    assert len(model.threads) == 1
    assert client.contents() == {number: bytes([number]) for number in range(11)}


def test_what_is_given_up_after_it_was_made_ready_is_not_computed(always_beside):
    other = Client()
    model, client, running = computing_0(Limits(4))
    for number in range(1, 9):
        running.queue.put(request(number), other if number in (6, 7) else client)
    model.go_on.release()
    assert model.called.acquire(timeout=WAIT_S)  # 1 to 4 run, 5 to 8 are reserved
    assert len(running.queue._reserved) == 4
    assert running.queue.cancel(5, client)
    running.queue.drop(other)
    for _ in range(2):
        model.go_on.release()
    running.end()

    assert model.calls == [[0], [1, 2, 3, 4], [8]]
    assert client.contents() == {number: bytes([number]) for number in (0, 1, 2, 3, 4, 8)}
    assert other.sent == []


def test_a_batch_that_is_given_up_as_a_whole_is_not_begun(always_beside):
    model, client, running = computing_0(Limits(2))
    for number in range(1, 7):
        running.queue.put(request(number), client)
    model.go_on.release()
    assert model.called.acquire(timeout=WAIT_S)  # 1 and 2 run, 3 and 4 are reserved
    assert running.queue.cancel(3, client)
    assert running.queue.cancel(4, client)
    for _ in range(2):
        model.go_on.release()
    running.end()

    assert model.calls == [[0], [1, 2], [5, 6]]


def test_only_what_is_poisoned_fails_also_where_it_was_made_ready_before(always_beside):
    model, client, running = computing_0(Limits(4))
    for number in range(1, 9):
        running.queue.put(request(number, 66 if number == 6 else number), client)
    for _ in range(20):
        model.go_on.release()
    running.end()

    expected = {number: bytes([number]) for number in range(9)} | {6: Code.INTERNAL}
    assert client.contents() == expected


def test_a_request_that_is_late_is_told_so_and_not_computed():
    model, client = Model(), Client()
    queue = BatchQueue(Limits(4), lambda: 100)
    queue.put(Infer(1, request(1).inputs, (), deadline_ns=100), client)
    queue.put(request(2), client)
    queue.close()
    Pipeline(asking(model, Limits(4)), queue, Busy(), 2**20).run()

    assert model.calls == [[2]]
    assert client.contents() == {1: Code.DEADLINE_EXCEEDED, 2: b"\2"}


@settings(max_examples=30, deadline=None)
@given(
    st.lists(
        st.tuples(st.lists(st.integers(0, 70), min_size=1, max_size=4), st.booleans()), max_size=40
    ),
    st.sampled_from([(), (4,), (2, 4)]),
    st.sampled_from([-1, HANDOVER_NS]),
)
def test_each_request_ends_once_with_its_own_answer(asked, allowed, handover):
    limits, clients, given_up = Limits(4, 0, allowed), (Client(), Client()), set()
    module.HANDOVER_NS, before = handover, module.HANDOVER_NS
    try:
        running = Running(Model(), limits)
        for number, (values, cancelled) in enumerate(asked):
            client = clients[number % 2]
            running.queue.put(request(number, *values), client)
            if cancelled and running.queue.cancel(number, client):
                given_up.add(number)
        running.end()
    finally:
        module.HANDOVER_NS = before

    for index, client in enumerate(clients):
        found = client.contents()
        assert len(found) == len(client.sent)
        assert found == {
            number: Code.INTERNAL if 66 in values else bytes(values)
            for number, (values, _) in enumerate(asked)
            if number % 2 == index and number not in given_up
        }


def test_a_helper_does_things_in_turn_and_ends_with_the_last():
    helper, done = Helper(), []
    first = threading.Event()
    helper.do(first.wait)
    helper.do(lambda: done.append(1))
    assert not helper.do_if_idle(lambda: done.append(2))
    first.set()
    helper.close()

    assert done == [1]


def test_a_failure_to_answer_in_a_batch_is_no_failure_of_the_next():
    model, client = Model(), Client()
    running = Running(model, Limits())
    running.queue.put(request(1, 66), client)
    running.queue.put(request(2), client)
    running.end()

    assert isinstance(client.sent[0], Failed)
    assert client.contents()[2] == b"\2"
