"""The queue between the reading and the computing thread."""

import threading

import pytest

from runtimes.batching.decide import Limits
from runtimes.batching.queue import Batch, BatchQueue, QueueFull
from runtimes.contract.messages import Infer
from runtimes.contract.tensor import Datatype, Tensor


def request(number, signature=""):
    return Infer(number, (Tensor("x", Datatype.UINT8, (1,), b"1"),), signature=signature)


def ids(batch):
    return [entry.request.id for entry in batch.entries]


def test_what_waits_is_taken_together():
    queue = BatchQueue(Limits(8))
    for number in (1, 2, 3):
        queue.put(request(number))

    assert ids(queue.take()) == [1, 2, 3]


def test_each_signature_is_joined_as_its_own_limits_say():
    queue = BatchQueue(Limits(), others={"many": Limits(8), "alone": Limits(8, batched=False)})
    for number, name in enumerate(("many", "", "alone", "many", "", "alone")):
        queue.put(request(number, name))

    assert [ids(queue.take()) for _ in range(5)] == [[0, 3], [1], [2], [4], [5]]


def test_a_closed_queue_gives_out_what_is_left_and_then_ends():
    queue = BatchQueue(Limits())
    queue.put(request(1))
    queue.close()

    assert ids(queue.take()) == [1]
    assert queue.take() is None


def test_a_waiting_request_can_be_taken_out_once():
    queue = BatchQueue(Limits())
    queue.put(request(1))
    queue.put(request(2))

    assert queue.cancel(1)
    assert not queue.cancel(1)
    assert ids(queue.take()) == [2]


def test_take_wakes_up_when_a_request_comes():
    queue = BatchQueue(Limits())
    taken = []
    thread = threading.Thread(target=lambda: taken.append(queue.take()))
    thread.start()
    queue.put(request(5))
    thread.join(10)

    assert ids(taken[0]) == [5]


def test_a_delay_is_over_when_the_clock_says_so():
    now = [0]

    def clock():
        now[0] += 400
        return now[0]

    queue = BatchQueue(Limits(8, 1000), clock)
    queue.put(request(1))

    assert ids(queue.take()) == [1]
    assert now[0] >= 1000


def test_a_full_queue_refuses_at_once_and_has_room_again_when_something_left():
    queue = BatchQueue(Limits(2), max_rows=2)
    queue.put(request(1))
    queue.put(request(2))
    with pytest.raises(QueueFull, match="2 rows wait already"):
        queue.put(request(3))

    assert queue.cancel(1)
    queue.put(request(4))
    assert ids(queue.take()) == [2, 4]
    queue.put(request(5))
    queue.put(request(6))


def test_a_nudge_is_no_request_and_loses_none():
    queue = BatchQueue(Limits())
    queue.put(request(1))
    queue.nudge()

    assert queue.take() == Batch(())
    assert ids(queue.take()) == [1]


def test_a_nudge_wakes_who_waits():
    queue = BatchQueue(Limits())
    taken = []
    waiting = threading.Thread(target=lambda: taken.append(queue.take()))
    waiting.start()
    queue.nudge()
    waiting.join(20)

    assert taken == [Batch(())]
