"""Several frontends at the workers of one pool."""

from __future__ import annotations

import asyncio
import os
import signal

import pytest

from runtimes.contract.frames import frame
from runtimes.contract.messages import Batching, Infer
from runtimes.contract.tensor import Datatype, Tensor
from server.errors import Unavailable
from server.workers.balancer import Balancer
from tests.integration.echo_pools import ask, until


async def connected(pool, max_in_flight=32):
    """What a frontend has: a socket of its own to each worker."""
    balancer = Balancer("m", 1, max_in_flight, 2**26)
    for worker in pool.workers:
        await balancer.add(worker.name, worker.connect())
    return balancer


async def test_requests_of_several_frontends_are_not_mixed_up(start):
    pool = await start(workers=2, batching=Batching(), delay_ms=1)
    frontends = [await connected(pool) for _ in range(3)]

    # Each of them counts its ids from 1.
    answers = await asyncio.gather(
        *(ask(one, index * 50 + n) for n in range(20) for index, one in enumerate(frontends))
    )

    assert answers == [bytes([index * 50 + n]) for n in range(20) for index in range(3)]
    for frontend in frontends:
        frontend.close()


async def test_what_waits_for_a_frontend_that_is_gone_is_not_computed(start):
    pool = await start(delay_ms=300)
    doomed, other = await connected(pool), await connected(pool)
    running = [asyncio.ensure_future(ask(doomed, n)) for n in range(20)]
    await asyncio.sleep(0.05)

    doomed.close()

    # Of twenty, the one that is being computed delays the others' request and no more.
    assert await asyncio.wait_for(ask(other, 7), 3) == bytes([7])
    for ended in await asyncio.gather(*running, return_exceptions=True):
        assert isinstance(ended, Unavailable)
    assert pool.is_ready


async def test_a_frontend_that_breaks_the_protocol_loses_its_socket_and_nobody_else_does(start):
    pool = await start()
    good, (worker,) = await connected(pool), pool.workers
    bad = worker.connect()
    bad.sendall(b"\xff" * 64)
    bad.settimeout(10)

    assert await asyncio.to_thread(bad.recv, 1) == b""
    bad.close()
    assert await ask(good, 5) == bytes([5])


async def test_a_dead_worker_is_no_longer_asked(start):
    pool = await start()
    frontend, (worker,) = await connected(pool), pool.workers
    os.kill(worker.pid, signal.SIGKILL)

    await until(lambda: not frontend.is_ready)

    with pytest.raises(Unavailable, match="its worker is being restarted"):
        await ask(frontend, 1)
    with pytest.raises(OSError):
        worker.connect()


async def test_a_frontend_that_does_not_read_its_answers_does_not_stop_the_others(start):
    pool = await start()
    stuck, other = pool.workers[0].connect(), await connected(pool)
    data = bytes(4_000_000)
    big = (Tensor("x", Datatype.UINT8, (len(data), 1), data),)
    for number in range(2):
        await asyncio.to_thread(stuck.sendall, b"".join(frame(Infer(number, big))))

    assert await asyncio.wait_for(ask(other, 5), 60) == bytes([5])
    stuck.close()
