"""What waits in a real worker's queue: who goes first, who leaves it when, and who finds room."""

from __future__ import annotations

import asyncio
import time

import pytest

from runtimes.contract.messages import HIGH_PRIORITY, Batching, ModelSpec
from runtimes.contract.tensor import Datatype, Tensor, TensorSpec
from server.errors import DeadlineExceeded, Overloaded
from server.workers.pool import PoolLimits, WorkerPool
from server.workers.zygote import Zygotes

SPEC = (TensorSpec("x", Datatype.UINT8, (-1, 1)),)
LIMITS = PoolLimits(max_in_flight=64, max_message_bytes=2**26, load_timeout=30, stop_grace=5)
SOON_NS = 50_000_000


class Worker:
    """A pool of one worker that takes `delay_ms` for a batch."""

    def __init__(self, pool: WorkerPool) -> None:
        self._pool = pool
        self.answered: list[int] = []

    async def ask(self, value: int, priority: int = 0, deadline_ns: int = 0) -> bytes:
        tensor = Tensor("x", Datatype.UINT8, (1, 1), bytes([value]))
        result = await self._pool.infer((tensor,), (), deadline_ns, priority)
        self.answered.append(value)
        return bytes(result.outputs[0].data)

    def begin(self, value: int, priority: int = 0, deadline_ns: int = 0) -> asyncio.Task[bytes]:
        return asyncio.ensure_future(self.ask(value, priority, deadline_ns))

    async def computing(self, value: int) -> asyncio.Task[bytes]:
        """A request that the worker has begun with: it is busy when it is asked."""
        task = self.begin(value)
        connection = self._pool._ready[0]._connection
        while not connection.busy_s:
            connection.ping()
            await asyncio.sleep(0.01)
        return task


@pytest.fixture
async def start():
    zygotes, pools = Zygotes({}, 60), []

    async def starter(batching=None, rows=0, **options) -> Worker:
        spec = ModelSpec(
            "m", 1, "echo", "/", inputs=SPEC, max_batch_size=8, batching=batching,
            max_queue_rows=rows, options=options,
        )  # fmt: skip
        pools.append(WorkerPool(spec, ("cpu",), zygotes, LIMITS))
        await pools[-1].start()
        return Worker(pools[-1])

    yield starter
    await asyncio.gather(*(pool.stop() for pool in pools))
    await zygotes.stop()


async def test_high_priority_overtakes_what_came_just_before(start):
    worker = await start(delay_ms=150)
    first = await worker.computing(0)
    # In one burst, well within the head start.
    rest = [worker.begin(1), worker.begin(2), worker.begin(3, HIGH_PRIORITY)]
    await asyncio.gather(first, *rest)

    assert worker.answered == [0, 3, 1, 2]


async def test_a_request_whose_time_is_over_makes_room_while_another_is_computed(start):
    worker = await start(rows=2, delay_ms=1500, crash_on=9)
    first = await worker.computing(0)
    soon = time.monotonic_ns() + SOON_NS
    late = [worker.begin(9, deadline_ns=soon) for _ in range(2)]
    await asyncio.sleep(0)
    with pytest.raises(Overloaded, match="2 rows wait already") as refused:
        await worker.ask(1)
    assert refused.value.retry_after
    for ended in await asyncio.gather(*late, return_exceptions=True):
        assert isinstance(ended, DeadlineExceeded)

    # There is room again although the worker has not looked into its queue since.
    assert not first.done()
    assert await worker.ask(2) == b"\x02"
    assert await first == b"\x00"


async def test_cancelled_requests_are_not_computed_when_others_of_their_batch_are(start):
    worker = await start(batching=Batching(), delay_ms=200, crash_on=9)
    first = await worker.computing(0)
    waiting = [worker.begin(9 if n % 2 else n) for n in range(1, 8)]
    await asyncio.sleep(0)
    for task in waiting[::2]:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)

    assert await first == b"\x00"
    assert sorted(worker.answered) == [0, 2, 4, 6]
