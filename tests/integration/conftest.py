"""Pools of real echo workers, ended with each test."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest_asyncio

from runtimes.contract.messages import ModelSpec
from server.workers.pool import WorkerPool
from server.workers.zygote import Zygotes
from tests.integration.echo_pools import LIMITS, SPEC


@pytest_asyncio.fixture
async def zygotes() -> AsyncIterator[Zygotes]:
    made = Zygotes({}, 60)
    yield made
    await made.stop()


@pytest_asyncio.fixture
async def start(zygotes):
    pools = []

    async def starter(*, workers=1, limits=LIMITS, batching=None, **options):
        spec = ModelSpec(
            "m", 1, "echo", "/", inputs=SPEC, max_batch_size=8, batching=batching, options=options
        )
        pool = WorkerPool(spec, ("cpu",) * workers, zygotes, limits)
        pools.append(pool)
        await pool.start()
        return pool

    yield starter
    await asyncio.gather(*(pool.stop() for pool in pools))
