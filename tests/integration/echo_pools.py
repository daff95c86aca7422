"""What tests of worker pools share: a small signature, and questions to it."""

from __future__ import annotations

import asyncio
import time

from runtimes.contract.tensor import Datatype, Tensor, TensorSpec
from server.workers.pool import PoolLimits

SPEC = (TensorSpec("x", Datatype.UINT8, (-1, 1)),)
LIMITS = PoolLimits(max_in_flight=32, max_message_bytes=2**26, load_timeout=30, stop_grace=5)


def row(*values: int) -> tuple[Tensor, ...]:
    return (Tensor("x", Datatype.UINT8, (len(values), 1), bytes(values)),)


async def ask(pool, *values, deadline_ns=0):
    result = await pool.infer(row(*values), (), deadline_ns)
    return bytes(result.outputs[0].data)


async def until(condition, seconds=20.0):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "the condition never came true"
        await asyncio.sleep(0.01)
